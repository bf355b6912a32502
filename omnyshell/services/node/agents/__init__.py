"""Agents of clients: a socket at the node, whose requests the client's own agent answers (docs/extensions.md#agent)."""
