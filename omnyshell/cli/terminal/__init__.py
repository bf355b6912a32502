"""The user's own terminal and standard streams."""
