"""The hub's durable facts: principals, credentials, invites, owners, labels and locks. All change by one log."""
