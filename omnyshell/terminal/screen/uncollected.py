"""Lists that Python's garbage collector leaves out.

A large screen has a million cells. The collector would read each of them whenever it goes through all that there is,
which takes tens of milliseconds, though texts and styles lead to nothing that could be garbage.
"""

import ctypes
from typing import Final, TypeVar

Item = TypeVar("Item")

_untrack: Final = ctypes.pythonapi.PyObject_GC_UnTrack
_untrack.argtypes = (ctypes.py_object,)
_untrack.restype = None


def uncollected(items: list[Item]) -> list[Item]:
    """Return the list itself, which must never lead back to itself; its memory is given back as that of any other."""
    _untrack(items)
    return items
