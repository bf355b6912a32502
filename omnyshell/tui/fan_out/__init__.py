"""A command on many nodes at once."""
