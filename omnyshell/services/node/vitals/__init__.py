"""How the node's machine is, and what runs in its sessions."""
