"""What goes on at a hub, now: `top` and `events`."""
