"""Shared by all commands: access to the hub, prompts and printing, and the event loop."""
