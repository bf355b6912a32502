"""A hub's live state as one observable object, and what keeps it up to date."""
