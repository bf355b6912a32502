"""Descriptions of a hub's live state, for all parts that report it."""
