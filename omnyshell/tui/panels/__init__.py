"""The tables of the overview, and what they show."""
