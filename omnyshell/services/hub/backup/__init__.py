"""Copies of a hub, and how they come back."""
