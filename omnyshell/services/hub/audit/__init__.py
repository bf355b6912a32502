"""The audit trail: storage, signatures, checks, and delivery to sinks."""
