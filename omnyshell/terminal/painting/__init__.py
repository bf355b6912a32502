"""A screen as bytes that repaint it, as text, as a value."""
