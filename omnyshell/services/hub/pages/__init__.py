"""What the hub answers to plain HTTPS requests."""
