"""Forwards of a node: what clients reach from it, as sessions that are no processes (docs/extensions.md#forward)."""
