"""What the hub adds to HTTP requests that go through a tunnel. No I/O: bytes in, bytes out."""

from omnyshell.extras import needs

with needs("hub"):
    # What the modules in here read and write HTTP with.
    import h11 as h11
