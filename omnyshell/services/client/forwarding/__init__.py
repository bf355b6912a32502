"""Ports and sockets of this machine that lead to what a node reaches (docs/extensions.md#forward)."""
