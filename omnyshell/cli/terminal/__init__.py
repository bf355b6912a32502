"""The user's own terminal and streams."""
