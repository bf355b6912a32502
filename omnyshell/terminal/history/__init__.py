"""Lines that left the main screen at its top: packed, bounded, and given back."""
