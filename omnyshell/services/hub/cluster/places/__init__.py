"""Which hub has which node: beats, leases, epochs, and what follows from them. No I/O: it is told the time."""
