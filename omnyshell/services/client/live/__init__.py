"""A hub's live state as one observable object, and the feed that keeps it up to date."""
