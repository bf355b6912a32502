"""Several hubs that act as one (docs/architecture.md#several-hubs). A hub that is alone imports nothing of it."""
