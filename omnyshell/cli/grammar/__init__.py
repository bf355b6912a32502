"""The commands and their options as data, and the parsers, help and completion that derive from it."""
