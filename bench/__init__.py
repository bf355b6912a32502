"""Benchmarks: OmnyShell and its peers, measured in the same run."""
