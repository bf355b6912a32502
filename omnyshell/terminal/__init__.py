"""The terminal emulator, what paints its screen, and what encodes keys for it."""
