"""OpenSSH's own tools, through the hub (docs/ssh.md)."""
