"""What `console.toml` has beside the settings, as values, and how it is changed."""
