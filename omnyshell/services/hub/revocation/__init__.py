"""Ending what is not allowed any more."""
