"""Tabs and panes that are there again at the next start."""
