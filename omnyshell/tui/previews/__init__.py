"""Screens of sessions that are looked at without being attached."""
