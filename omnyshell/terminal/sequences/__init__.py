"""Control sequences: how output is cut into them, and what each calls."""
