"""Commands for a hub of this machine, and for the state that it keeps."""
