"""What administrators ask of a hub."""
