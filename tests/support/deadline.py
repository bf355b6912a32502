"""How long tests wait for what must come."""

DEADLINE = 60.0
"""Seconds. They tell a hang from what is slow, and nothing else: on a slow, busy machine all comes within them too."""
