"""The live state of a hub: `top` and `events`."""
