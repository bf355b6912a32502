"""The hub's pages for plain HTTPS requests."""
