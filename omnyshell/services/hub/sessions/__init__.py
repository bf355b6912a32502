"""Sessions between clients and nodes: opening, relaying, and keeping them."""
