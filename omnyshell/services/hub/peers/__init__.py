"""Connections: how they log in, what they say, how fast they are read."""
