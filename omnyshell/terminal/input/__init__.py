"""Keys and mouse as a program expects them."""
