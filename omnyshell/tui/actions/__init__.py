"""The user's actions: on sessions and tunnels, and as an admin."""
