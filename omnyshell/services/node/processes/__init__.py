"""Processes behind terminals and pipes: their start, their input and output, and the end of whole sessions."""
