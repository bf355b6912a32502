"""Control sequences: splitting output into them, and the function that each calls."""
