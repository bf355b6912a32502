"""Connections from hub to hub: mutual TLS by the members' keys, a hello, and dialling again."""
