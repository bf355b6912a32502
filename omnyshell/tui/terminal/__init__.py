"""Terminals in the console: painting, input, and the attached sessions."""
