"""How this machine is called by itself."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")
