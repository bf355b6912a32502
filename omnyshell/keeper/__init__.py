"""The keeper: a small process that starts the programs of sessions, and holds what they need when the node is gone.

It may run as root, so it is read as a setuid program would be: the standard library alone, one thread, fixed requests
that are checked before anything is done, and no sight of the network or of what a terminal shows. It imports nothing
of OmnyShell outside this directory, as it is started by its path (docs/architecture.md#the-keeper).
"""
