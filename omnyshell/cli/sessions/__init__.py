"""Commands for sessions: `connect`, `exec` and `sessions`."""
