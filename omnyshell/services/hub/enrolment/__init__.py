"""The principals, credentials and invites that administrators created."""
