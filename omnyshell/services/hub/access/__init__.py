"""Rights, locks and quotas."""
