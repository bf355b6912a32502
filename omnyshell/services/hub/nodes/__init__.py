"""Which nodes there are, whose they are, and which are alive."""
