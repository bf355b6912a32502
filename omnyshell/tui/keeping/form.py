"""What is kept of tabs and panes, and its form in a file. No I/O."""

from collections.abc import Callable, Iterator
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from omnyshell.errors import ConfigException
from omnyshell.ids import is_node_id
from omnyshell.model.grammars import MAX_NAME
from omnyshell.tui.terminal.splits import MOST_WEIGHT, Axis, Leaf, Tree, joined

T = TypeVar("T")

VERSION: Final = 1
MOST_BYTES: Final = 256 * 1024
MOST_PANES: Final = 200
MOST_PARTS: Final = 64
LONGEST_NAME: Final = 200
DEEPEST: Final = 24
"""Splits within splits; no screen has room for as many."""

_UUID: Final = "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_SEVERAL: Final = Meta(min_length=2, max_length=MOST_PARTS)
_Weight = Annotated[int, Meta(ge=1, le=MOST_WEIGHT)]
_Name = Annotated[str, Meta(max_length=LONGEST_NAME)]


class KeptPane(Struct, frozen=True, tag="pane"):
    """A session in a pane."""

    node: Annotated[str, Meta(max_length=255)]
    session: Annotated[str, Meta(pattern=_UUID)]
    name: _Name = ""
    """What ran in it."""

    watched: bool = False
    """Whether it was only looked at."""

    user: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    """The user of the node's machine as whom it ran."""


class KeptSplit(Struct, frozen=True, tag="split"):
    """Parts beside or below each other."""

    axis: Axis
    weights: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=MOST_WEIGHT)], ...], Meta(min_length=2, max_length=MOST_PARTS)
    ]
    parts: "Annotated[tuple[KeptPane | KeptSplit, ...], Meta(min_length=2, max_length=MOST_PARTS)]"


KeptTree = KeptPane | KeptSplit


class KeptTab(Struct, frozen=True):
    """A tab; `active` is the number of the pane with the keyboard."""

    tree: KeptTree
    active: Annotated[int, Meta(ge=0)] = 0
    name: _Name = ""
    zoomed: bool = False


class Kept(Struct, frozen=True):
    """All tabs of a console at one hub; `tab` is the number of the one that was shown."""

    version: Literal[1]
    hub: str
    principal: str
    tabs: Annotated[tuple[KeptTab, ...], Meta(max_length=MOST_PANES)] = ()
    tab: Annotated[int, Meta(ge=0)] = 0
    in_front: bool = False
    """Whether the terminals were shown, and not the overview."""

    @property
    def panes(self) -> list[KeptPane]:
        """The panes of all tabs."""
        return [pane for tab in self.tabs for pane in panes_of(tab.tree)]


def panes_of(tree: KeptTree) -> Iterator[KeptPane]:
    """Yield the panes, from the left and from the top."""
    if isinstance(tree, KeptPane):
        yield tree
    else:
        for part in tree.parts:
            yield from panes_of(part)


def encode(kept: Kept) -> bytes:
    """Return the contents of the file."""
    return msgspec.json.encode(kept)


def decode(data: bytes, hub: str, principal: str) -> Kept:
    """Return what is kept for this hub and principal. Raises `ConfigException` for anything that is not right."""
    if len(data) > MOST_BYTES:
        raise ConfigException(f"it has more than {MOST_BYTES} bytes")
    try:
        kept = msgspec.json.decode(data, type=Kept)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as exc:
        raise ConfigException(f"it is no layout of version {VERSION}: {exc}") from exc
    if (kept.hub, kept.principal) != (hub, principal):
        raise ConfigException("it is of another hub or principal")
    for tab in kept.tabs:
        _check(tab.tree, DEEPEST)
    panes = kept.panes
    if len(panes) > MOST_PANES or not all(is_node_id(pane.node) for pane in panes):
        raise ConfigException(f"it has more than {MOST_PANES} panes, or a name that is no node's")
    return kept


def _check(tree: KeptTree, depth: int) -> None:
    if isinstance(tree, KeptSplit):
        if len(tree.parts) != len(tree.weights) or not depth:
            raise ConfigException("it has a split whose parts have no sizes, or one too deep")
        for part in tree.parts:
            _check(part, depth - 1)


def kept_tree(tree: Tree[T], describe: Callable[[T], KeptPane | None]) -> KeptTree | None:
    """Return a tree as it is kept, without the panes that are not; None where none is."""
    if isinstance(tree, Leaf):
        return describe(tree.item)
    found = [(kept_tree(part, describe), weight) for part, weight in zip(tree.parts, tree.weights, strict=True)]
    left = [(part, weight) for part, weight in found if part is not None]
    if len(left) < 2:
        return left[0][0] if left else None
    return KeptSplit(tree.axis, tuple(weight for _, weight in left), tuple(part for part, _ in left))


def tree_of(kept: KeptTree, make: Callable[[KeptPane], T | None]) -> Tree[T] | None:
    """Return the tree of panes that `make` makes, without those that it does not; None where it makes none."""
    if isinstance(kept, KeptPane):
        made = make(kept)
        return Leaf(made) if made is not None else None
    found = [(tree_of(part, make), weight) for part, weight in zip(kept.parts, kept.weights, strict=True)]
    left = [(part, weight) for part, weight in found if part is not None]
    return joined(kept.axis, [part for part, _ in left], [weight for _, weight in left]) if left else None
