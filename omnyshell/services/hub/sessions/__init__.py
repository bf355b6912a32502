"""Sessions between clients and nodes: opened, relayed, kept."""
