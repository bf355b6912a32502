"""Sessions over two hubs (docs/architecture.md#an-opening-over-two-hubs): far nodes here, virtual peers there."""
