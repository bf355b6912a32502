"""ssh-agent, which holds keys and signs with them: its protocol, and what is asked of it (docs/security.md#agents)."""
