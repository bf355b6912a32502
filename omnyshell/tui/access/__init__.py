"""Who may use the hub, and revoking that."""
