"""The base of all rooms of the hub: settings, files, metrics, events. It imports no other room."""
