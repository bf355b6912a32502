"""The client: lists nodes and opens sessions on them through a hub."""
