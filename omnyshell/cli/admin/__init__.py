"""Commands by which administrators ask a hub."""
