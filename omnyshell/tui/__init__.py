"""The console: nodes, sessions, tunnels and the audit trail live, and remote terminals in its own window."""
