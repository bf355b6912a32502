"""Tunnels: public ports of the hub that lead to targets on nodes' and clients' machines."""
