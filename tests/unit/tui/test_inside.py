"""What is used of the inside of libraries: a known list, there in what is installed, with a way on where it is not."""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.in_one_test import in_one_test
from support.sources import parsed, walk
from textual.drivers.linux_driver import LinuxDriver
from textual.drivers.web_driver import WebDriver
from textual.keys import _character_to_key
from textual.screen import Screen
from textual.widget import Widget
from textual_serve.app_service import AppService
from textual_serve.server import Server

import omnyshell
from omnyshell.errors import ConfigException
from omnyshell.tui.driver import ConsoleDriver, ConsoleParser, key_name
from omnyshell.tui.inside import own_driver, show_now
from omnyshell.tui.web.driver import ConsoleWebDriver, Packets
from omnyshell.tui.web.server import serve

KNOWN = {
    # What is used of asyncssh, and why, `test_library.py` and `test_adapter.py` say.
    "services/client/files/sftp.py": {"_process_attrs", "_process_name", "_send_request", "_supports_ranges"},
    "services/node/files/child/adapter.py": {"_process_open", "_process_opendir"},
    # Where they cannot be imported, Textual's own drivers serve.
    "tui/driver.py": {"textual._parser", "textual._xterm_parser"},
    # Read with a default; see `show_now`.
    "tui/inside.py": {"_repaint_required"},
    # `_check_release` serves nothing without it.
    "tui/web/server.py": {"_make_app"},
}
"""By file: private modules, and private names of what is not ours."""

OVERRIDDEN = {
    # Textual calls what it knows; where it knows them no more, it does as it would without us.
    "ConsoleParser": {"_sequence_to_key_events"},
    "ConsoleDriver": {"_get_terminal_size"},
    "LossTolerantDriver": {"_file"},
    "ConsoleWebDriver": {"_write"},
    # `_check_release` serves nothing without the method, which says what the two others are.
    "ServedConsole": {"_open_app_process", "_process", "_stdin"},
    "ConsoleServer": {"_make_app"},
}
"""By class: private names of a library's class that it derives from."""

PRIVATE = re.compile(r"_[a-z]\w*")
NAMING = (ast.Attribute, ast.Name, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ImportFrom)
"""Nodes that have a name that counts."""


def _used(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _defined(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def _private_modules(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("omnyshell"):
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                if any(map(PRIVATE.match, name.split("."))):
                    yield name
                    break


def test_files_use_no_private_names_of_others_but_the_known_ones() -> None:
    ours, used, modules = set(), {}, {}
    # No tree is kept: the collector would look at those of all files again and again.
    for file, tree in parsed(""):
        nodes = [node for node in walk(tree) if isinstance(node, NAMING)]
        ours.update(_defined(nodes))
        used[file] = set(filter(PRIVATE.match, _used(nodes)))
        modules[file] = set(_private_modules(nodes))
    ours.discard("_repaint_required")
    found = {file: names for file in used if (names := modules[file] | (used[file] - ours))}
    # Named tuples have theirs with an underscore that is none of privacy.
    found = {file: rest for file, names in found.items() if (rest := names - {"_replace", "_asdict", "_exit"})}
    assert found == KNOWN


def _tree(kind: type) -> ast.AST:
    known = _classes_of(inspect.getfile(kind)).get(kind.__qualname__)
    return known or ast.parse(textwrap.dedent(inspect.getsource(kind)))


@cache
def _classes_of(file: str) -> dict[str, ast.ClassDef]:
    """Classes by their qualified names: Python's own way to the source of one parses the file each time."""
    return dict(_classes_in(ast.parse(Path(file).read_text()).body))


def _classes_in(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, ast.ClassDef]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield within + node.name, node
            yield from _classes_in(node.body, f"{within}{node.name}.")


@cache
def _private_names(kind: type) -> set[str]:
    stored = {n.attr for n in walk(_tree(kind)) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    return set(filter(PRIVATE.match, {*vars(kind), *stored}))


def test_classes_take_no_private_names_of_their_librarys_but_the_known_ones() -> None:
    found = {}
    for module in pkgutil.walk_packages(omnyshell.__path__, "omnyshell."):
        for kind in vars(importlib.import_module(module.name)).values():
            if not inspect.isclass(kind) or kind.__module__ != module.name:
                continue
            inherited = {name for base in filter(_is_library, kind.__mro__) for name in _private_names(base)}
            if inherited and (names := inherited & set(_used(walk(_tree(kind))))):
                found[kind.__name__] = names
    assert found == OVERRIDDEN


def _is_library(kind: type) -> bool:
    package = kind.__module__.partition(".")[0]
    return package in ("textual", "textual_serve", "websockets", "pyte", "rich")


@pytest.mark.parametrize(("usual", "own"), [(LinuxDriver, ConsoleDriver), (WebDriver, ConsoleWebDriver)])
def test_a_driver_of_ours_takes_the_place_of_textuals(usual: type, own: type) -> None:
    assert own_driver(usual) is own


@pytest.mark.parametrize("usual", [LinuxDriver, WebDriver])
@pytest.mark.parametrize("missing", ["textual._parser", "textual._xterm_parser"])
def test_without_the_parser_that_ours_builds_on_textuals_driver_serves(
    usual: type, missing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("omnyshell.tui.driver", "omnyshell.tui.web.driver"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert own_driver(usual) is usual
    assert "less exactly" in caplog.text


def test_a_parser_that_does_not_say_whether_it_waits_is_looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = ConsoleParser()
    assert not parser.is_waiting
    del parser._timeout_time
    assert parser.is_waiting


def test_keys_have_the_names_that_textual_gives_them() -> None:
    for code in (*range(0x20, 0x7F), *range(0xA1, 0x250), 0x20AC, 0x4E00):
        assert key_name(chr(code)) == _character_to_key(chr(code))


def test_what_is_dirty_is_shown_now_or_when_textual_does() -> None:
    shown: list[str] = []
    dirty: set[Any] = set()
    screen = SimpleNamespace(is_current=True, _dirty_widgets=dirty, _on_timer_update=lambda: shown.append("now"))
    widget: Any = _Hashable(screen)
    show_now(widget)
    assert (shown, dirty, widget._repaint_required) == (["now"], {widget}, False)
    for name in ("_dirty_widgets", "_on_timer_update"):
        lacking = SimpleNamespace(**{key: value for key, value in vars(screen).items() if key != name})
        widget = _Hashable(lacking)
        show_now(widget)
        assert widget._repaint_required, "left to Textual"
    widget = _Hashable(screen)
    del widget._repaint_required
    show_now(widget)
    assert shown == ["now"]


class _Hashable:
    def __init__(self, screen: Any) -> None:
        self.screen = screen
        self._repaint_required = True


def test_textual_still_has_what_shows_a_widget_now() -> None:
    assert "_repaint_required" in _private_names(Widget)
    assert {"_dirty_widgets", "_on_timer_update"} <= _private_names(Screen)


@pytest.mark.parametrize(("kind", "name"), [(Server, "_make_app"), (AppService, "_open_app_process")])
def test_nothing_is_served_by_a_release_of_another_inside(
    kind: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(kind, name)
    with pytest.raises(ConfigException, match="does not fit"):
        serve([], 0)


@in_one_test("size", [1, 2, 3, 7, 100])
def test_packets_come_in_any_pieces(size: int) -> None:
    sent = [(b"D", b"ls\r"), (b"M", b'{"type": "quit"}'), (b"D", b""), (b"D", b"x" * 30)]
    stream = b"".join(AppService.encode_packet(kind, payload) for kind, payload in sent)  # type: ignore[arg-type]
    packets = Packets()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [packet for piece in pieces for packet in packets.feed(piece)] == sent
