"""The hub: authenticates principals, registers nodes, and brokers and relays sessions."""
