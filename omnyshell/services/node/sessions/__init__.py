"""The sessions of a node: each is a process with the channel of its client, and is kept when the channel is lost."""
