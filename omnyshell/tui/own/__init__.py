"""Filters, columns and commands of one's own: reading them from `console.toml`, and running the commands."""
