"""The node's side of its keeper (docs/architecture.md#the-keeper)."""
