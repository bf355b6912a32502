"""A screen that follows a program's output at a bounded cost."""
