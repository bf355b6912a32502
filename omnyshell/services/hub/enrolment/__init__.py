"""What administrators made: principals, credentials, invites."""
