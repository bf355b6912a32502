"""The extension `admin`: requests of administrators to a hub."""
