"""The node: serves commands and shells on its machine through a hub that it dials."""
