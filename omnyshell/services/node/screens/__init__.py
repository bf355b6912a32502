"""Emulated screens of shells, which follow the shells' output."""
