"""What the mode `ssh` runs: the system's sshd, for one connection (docs/ssh.md)."""
