"""Characters: how many columns each takes, and which sets a program may choose from."""
