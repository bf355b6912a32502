"""What is remembered of a session in memory that outlives the node (docs/architecture.md#what-a-node-leaves)."""
