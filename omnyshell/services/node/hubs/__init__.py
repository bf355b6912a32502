"""Which hub a node is at."""
