"""Conversions of a screen: to bytes that repaint it, to text, and to a comparable value."""
