"""The soaks, which no other test runs: each can still be started."""

import importlib
import pkgutil

import soak


def test_what_a_soak_takes_from_elsewhere_is_there() -> None:
    for module in pkgutil.walk_packages(soak.__path__, "soak."):
        assert importlib.import_module(module.name)
