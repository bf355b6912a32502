"""What a style sheet says of a widget, found once for all consoles of a process: a third of what a console takes.

A widget's rules follow from what the sheet's selectors may look at: the names, ids, classes and pseudo-classes of the
widget and of all above it. Where those are as they were, so are the rules.
"""

from typing import Any, NamedTuple
from weakref import ref

import pytest
from textual.css.styles import RenderStyles
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode

FLAGS = ("_has_hover_style", "_has_focus_within", "_has_order_style", "_has_odd_or_even")
"""What a sheet notes at a node beside its rules."""


class Known(NamedTuple):
    """What was found for nodes that are alike; `rules` is None where there are none.

    `parts` are the rules of what a widget draws that has a class and is no widget; equal ones are the same object.
    """

    rules: Any
    flags: tuple[bool, ...]
    parts: dict[str, Any]


class _Parts(dict[str, RenderStyles]):
    """The styles of a widget's parts, each made when it is asked for: most never are."""

    def __init__(self, node: DOMNode, rules: dict[str, Any]) -> None:
        super().__init__()
        self._node = ref(node)
        self._rules = rules

    def __contains__(self, name: object) -> bool:
        return name in self._rules or super().__contains__(name)

    def __missing__(self, name: str) -> RenderStyles:
        part = DOMNode(classes=name)
        if (node := self._node()) is not None:
            part._attach(node)
        part.styles.base.merge_rules(self._rules[name])
        self[name] = part.styles
        return part.styles

    def copy(self) -> dict[str, RenderStyles]:
        return {name: self[name] for name in self._rules}

    def clear(self) -> None:
        super().clear()
        self._rules = {}


class KnownStyles:
    """Finds the rules of a node where they are not known."""

    def __init__(self) -> None:
        self._apply = Stylesheet.apply
        self._replace_rules = Stylesheet.replace_rules
        self._sheets: dict[tuple[int, ...], int] = {}
        self._pseudo_classes: dict[Any, tuple[str, ...]] = {}
        self._found: dict[Any, Known] = {}
        self._kinds_of_parts: dict[type, list[dict[str, Any]]] = {}
        self._replaced: dict[int, Any] = {}
        """The rules that a sheet has just given to a node, by the node."""

        self._given: dict[int, tuple[Any, Any]] = {}
        """What rules are once a node has them, with the rules, which so stay what they are."""

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        """Have all sheets look here first."""
        known = self

        def apply(sheet: Stylesheet, node: DOMNode, *, animate: bool = False, cache: Any = None) -> None:
            known.apply(sheet, node, animate=animate, cache=cache)

        def replace_rules(_sheet: type[Stylesheet], node: DOMNode, rules: Any, animate: bool = False) -> None:
            known._replaced[id(node)] = rules
            known.replace(node, rules, animate=animate)

        patch.setattr(Stylesheet, "apply", apply)
        patch.setattr(Stylesheet, "replace_rules", classmethod(replace_rules))

    def apply(self, sheet: Stylesheet, node: DOMNode, *, animate: bool, cache: Any) -> None:
        key = self._key(sheet, node)
        found = self._found.get(key)
        if found is None:
            self._replaced.pop(id(node), None)
            self._apply(sheet, node, animate=animate, cache=cache)
            flags = tuple(getattr(node, name) for name in FLAGS)
            found = self._found[key] = Known(self._replaced.pop(id(node), None), flags, self._parts_of(node))
            node.__dict__["_known_parts"] = found.parts
            return
        node._has_hover_style, node._has_focus_within, node._has_order_style, node._has_odd_or_even = found.flags
        if found.rules is not None:
            self.replace(node, found.rules, animate=animate)
        if (before := node.__dict__.get("_known_parts")) is not found.parts:
            node._component_styles = _Parts(node, found.parts)
            node.__dict__["_known_parts"] = found.parts
            if before is not None or found.parts:
                node.refresh()

    def _parts_of(self, node: DOMNode) -> dict[str, Any]:
        parts = {name: styles.base.get_rules() for name, styles in node._component_styles.items()}
        known = self._kinds_of_parts.setdefault(type(node), [])
        if parts not in known:
            known.append(parts)
        return known[known.index(parts)]

    def replace(self, node: DOMNode, rules: Any, *, animate: bool) -> None:
        """Give a node its rules, where it has not got them; of a mere style, nobody hears of each."""
        base = node.styles.base
        given = self._given.get(id(rules), (None, None))[1]
        if given is None or (animate and "transitions" in given):
            self._replace_rules(node, rules, animate=animate)
            if not animate:
                self._given[id(rules)] = rules, base.get_rules()
        elif not base._rules and not node._is_mounted:
            # Nothing of it is laid out or drawn yet, and would have to be again.
            base.merge_rules(given)
            if "display" in given and type(node) is not DOMNode and node._parent is not None:
                node._nodes.updated()
            node.notify_style_update()
        else:
            for name in base._rules.keys() | given.keys():
                if base._rules.get(name) != given.get(name):
                    setattr(base, name, rules.get(name))
            node.notify_style_update()

    def _key(self, sheet: Stylesheet, node: DOMNode) -> Any:
        names = (self._number(sheet), type(node), node._id, frozenset(node._classes))
        pseudo_classes = self._pseudo_classes.get(names)
        if pseudo_classes is None:
            # What parts of a widget look like that have a class and no widget of their own follows from the same key.
            parts = {f".{name}" for name in node._get_component_classes()}
            concerned = sheet.rules_map.keys() & (node._selector_names | parts)
            found = {one for name in concerned for rule in sheet.rules_map[name] for one in rule.pseudo_classes}
            pseudo_classes = self._pseudo_classes[names] = tuple(sorted(found))
        path = []
        above: Any = node
        while isinstance(above, DOMNode):
            known = above._PSEUDO_CLASSES
            is_now = tuple(name in known and bool(known[name](above)) for name in pseudo_classes)
            path.append((type(above), above._id, frozenset(above._classes), is_now))
            above = above._parent
        return (names[0], *path)

    def _number(self, sheet: Stylesheet) -> int:
        """The same for sheets of the same rules, which are the same objects."""
        rules = sheet.rules
        numbered = sheet.__dict__.get("_known_number")
        if numbered is None or numbered[0] is not rules:
            number = self._sheets.setdefault(tuple(map(id, rules)), len(self._sheets))
            numbered = sheet.__dict__["_known_number"] = (rules, number)
        return int(numbered[1])
