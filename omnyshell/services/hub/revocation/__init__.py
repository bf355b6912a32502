"""Ending logins, sessions and tunnels that are no longer allowed."""
