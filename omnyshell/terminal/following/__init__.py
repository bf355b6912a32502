"""A screen kept in step with a program's output, at a bounded cost."""
