"""What the mode `sftp` runs: a process for one transfer, as the user whose it is (docs/extensions.md#sftp)."""
