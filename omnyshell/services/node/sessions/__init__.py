"""The sessions of a node: one process and the channel of its client, and what is kept when that is gone."""
