"""The extension `admin`: what administrators ask of a hub."""
