"""Forms and questions over the screen they belong to."""
