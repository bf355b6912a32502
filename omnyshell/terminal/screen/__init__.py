"""The state of a terminal: rows, cursor and modes, and the effects of printing and erasing on them."""
