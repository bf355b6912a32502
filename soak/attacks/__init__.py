"""Attacks at random, each against a property that is said apart from the code: `python -m soak.attacks.NAME`."""
