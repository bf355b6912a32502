"""The hub and node of this machine: their files, and whether they run."""
