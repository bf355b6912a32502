"""WebSocket on TLS: links, the hub's listening endpoint, dialing, and a peer's connection with its channels."""
