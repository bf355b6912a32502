"""What OpenSSH's tools need of a client: a key, known hosts, and connections to sshd (docs/ssh.md)."""
