"""Public ports that lead to machines behind the hub."""
