"""The `:` line: what may be typed into it, what was, and what it does."""
