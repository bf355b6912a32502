"""OmnyShell: reach your machines through a hub, by name."""
