"""What a node, or a client for its own machine, does for tunnels: it connects to targets when the hub asks."""
