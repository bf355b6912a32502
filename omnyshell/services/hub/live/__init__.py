"""The hub's live state, served to subscribers (extension `events`)."""
