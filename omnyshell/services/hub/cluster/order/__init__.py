"""The port to the engine that orders what hubs write (docs/architecture.md#several-hubs). No I/O."""
