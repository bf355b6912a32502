"""What is done at the user's word: to sessions and tunnels, and as an admin."""
