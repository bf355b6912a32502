"""What the hub adds to HTTP requests that go through a tunnel. No I/O: bytes in, bytes out."""
