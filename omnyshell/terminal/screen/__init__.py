"""What a terminal shows: its rows, its cursor and modes, and what printing and erasing do to them."""
