"""What is live in a hub, described once for all who tell of it."""
