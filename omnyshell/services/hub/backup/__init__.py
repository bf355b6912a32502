"""Backing up and restoring a hub."""
