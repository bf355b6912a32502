"""The exposer of a node, or of a client for its own machine: connects tunnels to their targets when the hub asks."""
