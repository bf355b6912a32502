"""What runs: the hub, the node and the client."""
