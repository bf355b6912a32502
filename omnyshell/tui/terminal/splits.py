"""The panes of a tab: a tree of splits, and the place that each pane has on the screen. Without widgets."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate, pairwise
from math import gcd
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")

LEAST_WIDTH: Final = 10
LEAST_HEIGHT: Final = 3
"""Of a pane: its title, and two lines."""

MOST_WEIGHT: Final = 1_000_000


class Axis(StrEnum):
    """The direction in which the parts of a split follow each other."""

    BESIDE = "beside"
    BELOW = "below"

    @property
    def gap(self) -> int:
        """Cells between two parts: a column for the line; above a part its title is the line."""
        return 1 if self is Axis.BESIDE else 0


class Direction(StrEnum):
    """Where to go, or where to move a border."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"

    @property
    def axis(self) -> Axis:
        """The axis that it is along."""
        return Axis.BESIDE if self in (Direction.LEFT, Direction.RIGHT) else Axis.BELOW

    @property
    def step(self) -> int:
        """1 for right and down, else -1."""
        return 1 if self in (Direction.RIGHT, Direction.DOWN) else -1


class Rect(NamedTuple):
    """A place in cells."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column behind it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first line below it."""
        return self.y + self.height

    def along(self, axis: Axis) -> int:
        """Its length along an axis."""
        return self.width if axis is Axis.BESIDE else self.height

    def part(self, axis: Axis, start: int, length: int) -> "Rect":
        """Return a part of it, from a cell on along an axis."""
        if axis is Axis.BESIDE:
            return Rect(self.x + start, self.y, length, self.height)
        return Rect(self.x, self.y + start, self.width, length)

    def has(self, x: int, y: int) -> bool:
        """Whether a cell is in it."""
        return self.x <= x < self.right and self.y <= y < self.bottom


@dataclass(frozen=True, slots=True)
class Leaf(Generic[T]):
    """One pane."""

    item: T


@dataclass(frozen=True, slots=True)
class Split(Generic[T]):
    """Two or more parts, none of which is split along the same axis; a part's share is its weight."""

    axis: Axis
    parts: "tuple[Tree[T], ...]"
    weights: tuple[int, ...]


Tree: TypeAlias = Leaf[T] | Split[T]
Path: TypeAlias = tuple[int, ...]


class Border(NamedTuple):
    """What can be moved: the border behind a part of the split at `path`; `place` is the line or the title there."""

    path: Path
    before: int
    axis: Axis
    place: Rect


def joined(axis: Axis, parts: "Sequence[Tree[T]]", weights: Sequence[int]) -> "Tree[T]":
    """Return a split of these parts, or the only one; parts that are split along the same axis are taken apart."""
    flat: list[tuple[Tree[T], int]] = []
    scale = 1
    for part in parts:
        if isinstance(part, Split) and part.axis is axis:
            scale *= sum(part.weights)
    for part, weight in zip(parts, weights, strict=True):
        if isinstance(part, Split) and part.axis is axis:
            whole = sum(part.weights)
            flat += [
                (inner, own * weight * scale // whole) for inner, own in zip(part.parts, part.weights, strict=True)
            ]
        else:
            flat.append((part, weight * scale))
    if len(flat) == 1:
        return flat[0][0]
    return Split(axis, tuple(part for part, _ in flat), _reduced([weight for _, weight in flat]))


def _reduced(weights: Sequence[int]) -> tuple[int, ...]:
    common = gcd(*weights)
    most = max(weights) // common
    shrink = -(-most // MOST_WEIGHT)
    return tuple(max(1, weight // common // shrink) for weight in weights)


# What a tree has


def items(tree: "Tree[T]") -> list[T]:
    """Return the panes, from the left and from the top."""
    if isinstance(tree, Leaf):
        return [tree.item]
    return [item for part in tree.parts for item in items(part)]


def path_of(tree: "Tree[T]", item: T) -> Path | None:
    """Return the way to a pane; None where it is not there."""
    if isinstance(tree, Leaf):
        return () if tree.item == item else None
    for number, part in enumerate(tree.parts):
        rest = path_of(part, item)
        if rest is not None:
            return (number, *rest)
    return None


def _at(tree: "Tree[T]", path: Path) -> "Tree[T]":
    for number in path:
        assert isinstance(tree, Split)  # noqa: S101  # the way is the tree's own
        tree = tree.parts[number]
    return tree


def _with(tree: "Tree[T]", path: Path, put: "Tree[T]") -> "Tree[T]":
    """Return the tree with another part at the end of a way."""
    if not path:
        return put
    assert isinstance(tree, Split)  # noqa: S101  # the way is the tree's own
    parts = list(tree.parts)
    parts[path[0]] = _with(parts[path[0]], path[1:], put)
    return joined(tree.axis, parts, tree.weights)


def mapped(tree: "Tree[T]", change: Callable[[T], T]) -> "Tree[T]":
    """Return the tree with other panes in the same places."""
    if isinstance(tree, Leaf):
        return Leaf(change(tree.item))
    return replace(tree, parts=tuple(mapped(part, change) for part in tree.parts))


# Places


def least(tree: "Tree[T]", axis: Axis) -> int:
    """Return the least length along an axis that all panes fit into."""
    if isinstance(tree, Leaf):
        return LEAST_WIDTH if axis is Axis.BESIDE else LEAST_HEIGHT
    lengths = [least(part, axis) for part in tree.parts]
    if tree.axis is axis:
        return sum(lengths) + axis.gap * (len(lengths) - 1)
    return max(lengths)


def fits(tree: "Tree[T]", place: Rect) -> bool:
    """Whether each pane can have its least size."""
    return all(least(tree, axis) <= place.along(axis) for axis in Axis)


def roomy(tree: "Tree[T]", place: Rect) -> Rect:
    """Return a place that all panes fit into: this one, or a larger one."""
    width, height = (max(place.along(axis), least(tree, axis)) for axis in (Axis.BESIDE, Axis.BELOW))
    return place._replace(width=width, height=height)


def lengths(split: "Split[T]", place: Rect) -> list[int]:
    """Return the lengths of the parts, by weight, and none less than it needs. The split must fit."""
    room = place.along(split.axis) - split.axis.gap * (len(split.parts) - 1)
    needed = [least(part, split.axis) for part in split.parts]
    fixed: dict[int, int] = {}
    while True:
        free = [number for number in range(len(needed)) if number not in fixed]
        shares = _shares(room - sum(fixed.values()), [split.weights[number] for number in free])
        found = fixed | dict(zip(free, shares, strict=True))
        short = {number: needed[number] for number in free if found[number] < needed[number]}
        if not short:
            return [found[number] for number in range(len(needed))]
        fixed |= short


def _shares(room: int, weights: Sequence[int]) -> list[int]:
    """Divide cells by weight; what is left over goes where the border's exact place is nearest."""
    whole = sum(weights)
    ends = [(2 * room * end + whole) // (2 * whole) for end in accumulate(weights)]
    return [end - start for start, end in pairwise([0, *ends])]


def _places(tree: "Split[T]", place: Rect) -> Iterator[Rect]:
    start = 0
    for length in lengths(tree, place):
        yield place.part(tree.axis, start, length)
        start += length + tree.axis.gap


def areas(tree: "Tree[T]", place: Rect) -> dict[T, Rect]:
    """Return each pane's place; all must fit. They cover the whole, but for a column between two side by side."""
    if isinstance(tree, Leaf):
        return {tree.item: place}
    found: dict[T, Rect] = {}
    for part, own in zip(tree.parts, _places(tree, place), strict=True):
        found |= areas(part, own)
    return found


def borders(tree: "Tree[T]", place: Rect, path: Path = ()) -> Iterator[Border]:
    """Yield the borders between parts, those of a split before those within its parts."""
    if isinstance(tree, Leaf):
        return
    places = list(_places(tree, place))
    for number, own in enumerate(places[1:]):
        is_column = tree.axis is Axis.BESIDE
        line = Rect(own.x - 1, own.y, 1, own.height) if is_column else Rect(own.x, own.y, own.width, 1)
        yield Border(path, number, tree.axis, line)
    for number, (part, own) in enumerate(zip(tree.parts, places, strict=True)):
        yield from borders(part, own, (*path, number))


# Changes


def _place_at(tree: "Tree[T]", place: Rect, path: Path) -> Rect:
    for number in path:
        assert isinstance(tree, Split)  # noqa: S101  # the way is the tree's own
        place = list(_places(tree, place))[number]
        tree = tree.parts[number]
    return place


def split(tree: "Tree[T]", place: Rect, beside: T, new: T, axis: Axis) -> "Tree[T]":
    """Return the tree with a new pane behind one, which gives half of its room; others only where that is too little.

    Where there is too little all the same, what is returned does not fit.
    """
    path = path_of(tree, beside)
    assert path is not None  # noqa: S101  # the caller's pane
    parent = _at(tree, path[:-1])
    if not path or not isinstance(parent, Split) or parent.axis is not axis:
        return _with(tree, path, Split(axis, (Leaf(beside), Leaf(new)), (1, 1)))
    number = path[-1]
    sizes = lengths(parent, _place_at(tree, place, path[:-1]))
    room = sizes[number] - axis.gap
    sizes[number : number + 1] = [room - room // 2, room // 2]
    parts = [*parent.parts[: number + 1], Leaf(new), *parent.parts[number + 1 :]]
    return _with(tree, path[:-1], joined(axis, parts, [max(1, size) for size in sizes]))


def close(tree: "Tree[T]", place: Rect, item: T) -> "Tree[T] | None":
    """Return the tree without a pane, whose room goes to the one before it, or else behind it; None without any."""
    path = path_of(tree, item)
    if not path:
        return None
    parent = _at(tree, path[:-1])
    assert isinstance(parent, Split)  # noqa: S101  # a pane's parent
    number = path[-1]
    sizes = lengths(parent, _place_at(tree, place, path[:-1]))
    freed = sizes.pop(number) + parent.axis.gap
    sizes[max(0, number - 1)] += freed
    parts = [part for at, part in enumerate(parent.parts) if at != number]
    return _with(tree, path[:-1], joined(parent.axis, parts, [max(1, size) for size in sizes]))


def moved(tree: "Tree[T]", place: Rect, border: Border, by: int) -> "Tree[T]":
    """Return the tree with a border moved by cells, as far as the parts at its sides have room."""
    node = _at(tree, border.path)
    assert isinstance(node, Split)  # noqa: S101  # a border's split
    sizes = lengths(node, _place_at(tree, place, border.path))
    before, behind = border.before, border.before + 1
    least_before, least_behind = (least(node.parts[number], node.axis) for number in (before, behind))
    by = max(min(by, sizes[behind] - least_behind), least_before - sizes[before])
    sizes[before] += by
    sizes[behind] -= by
    return _with(tree, border.path, replace(node, weights=_reduced([max(1, size) for size in sizes])))


def border_to_move(tree: "Tree[T]", place: Rect, item: T, axis: Axis) -> Border | None:
    """Return the border that keys move: the nearest one behind the pane, or before it where it is the last."""
    path = path_of(tree, item) or ()
    for depth in range(len(path) - 1, -1, -1):
        node = _at(tree, path[:depth])
        if isinstance(node, Split) and node.axis is axis:
            before = min(path[depth], len(node.parts) - 2)
            found = (one for one in borders(tree, place) if one.path == path[:depth] and one.before == before)
            return next(found)
    return None


def neighbour(tree: "Tree[T]", place: Rect, item: T, direction: Direction, recent: Sequence[T] = ()) -> T | None:
    """Return the pane at a side of one; of several the one that was used last, see `recent`, or else the first."""
    found = areas(tree, place)
    here = found[item]
    beside = [other for other, at in found.items() if _touches(here, at, direction)]
    return max(beside, key=lambda other: recent.index(other) if other in recent else -1, default=None)


def _touches(here: Rect, other: Rect, direction: Direction) -> bool:
    """Whether a pane is at that side of another one."""
    before, behind = (here, other) if direction.step > 0 else (other, here)
    axis, gap = direction.axis, direction.axis.gap
    ends = (before.right, behind.x) if axis is Axis.BESIDE else (before.bottom, behind.y)
    return ends[0] + gap == ends[1] and _faces(here, other, axis)


def _faces(one: Rect, other: Rect, axis: Axis) -> bool:
    if axis is Axis.BESIDE:
        return one.y < other.bottom and other.y < one.bottom
    return one.x < other.right and other.x < one.right


def evened(tree: "Tree[T]") -> "Tree[T]":
    """Return the tree with the same size for all parts of each split."""
    if isinstance(tree, Leaf):
        return tree
    return replace(tree, parts=tuple(map(evened, tree.parts)), weights=(1,) * len(tree.parts))


def swapped(tree: "Tree[T]", one: T, other: T) -> "Tree[T]":
    """Return the tree with two panes in each other's place."""
    return mapped(tree, lambda item: other if item == one else one if item == other else item)


def rotated(tree: "Tree[T]", step: int) -> "Tree[T]":
    """Return the tree with each pane in the place of the next one, or with -1 of the one before."""
    order = items(tree)
    after = {item: order[(number - step) % len(order)] for number, item in enumerate(order)}
    return mapped(tree, after.__getitem__)
