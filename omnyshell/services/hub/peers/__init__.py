"""Connections: login, dispatch of messages, and rate of reading."""
