"""The audit trail: kept, signed, checked, told on."""
