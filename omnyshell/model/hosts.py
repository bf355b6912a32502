"""Names of hosts that mean the same everywhere."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""How a machine calls itself."""
