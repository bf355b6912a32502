"""Copying files between this machine and nodes, and between nodes, by SFTP (docs/files.md)."""
