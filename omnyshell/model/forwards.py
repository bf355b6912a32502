"""What both ends of a forwarded connection say of its end (docs/extensions.md#forward)."""

TARGET_FINISHED = b"\x04"
"""The one byte that comes as stderr: the target has finished writing, and may still read."""

FINISHED, FAILED = 0, 1
"""The exit codes: both sides have finished writing, or the connection failed."""
