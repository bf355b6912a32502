"""Adds forwarding headers to HTTP requests through a tunnel. No I/O: bytes in, bytes out."""

from omnyshell.extras import needs

with needs("hub"):
    # The library with which these modules parse and write HTTP.
    import h11 as h11
