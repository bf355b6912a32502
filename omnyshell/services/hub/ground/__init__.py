"""What all rooms of the hub stand on: settings, files, figures, events. It imports none of them."""
