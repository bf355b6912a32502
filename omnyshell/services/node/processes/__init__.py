"""Processes behind terminals and pipes: started, read, written, and ended with all that belongs to them."""
