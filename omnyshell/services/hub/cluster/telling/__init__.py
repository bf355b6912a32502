"""What hubs tell each other over their links beside sessions: what was denied, and where their audit trails end."""
