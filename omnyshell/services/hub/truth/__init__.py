"""What the hub holds true, and the log by which that changes."""
