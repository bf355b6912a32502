"""The nodes: registrations, owners of ids, and heartbeats."""
