"""What commands and services print: nothing of it does anything to a terminal, a list or a log."""

import ast
import io
import json
import logging
import os
import sys
from pathlib import Path

import pytest
from support.hostile import HOSTILE_TEXTS, unprintable
from support.in_one_test import in_one_test
from support.sources import parsed, walk

from omnyshell.cli.ground.output import complain, fail, say, say_json, say_table
from omnyshell.log_format import LONGEST_FIELD, LONGEST_TRACEBACK, formatter
from omnyshell.model.audit import AuditRecord, canonical_json
from omnyshell.model.schema import read_timestamp
from omnyshell.printable import ELLIPSIS, LONGEST, printable, printable_json
from omnyshell.services.hub.audit.chain import GENESIS, ChainedRecord, chain, link
from omnyshell.services.hub.audit.sinks import export_line
from omnyshell.steps import FIELDS

LONE = "\ud800 \udcff"
TEXTS = (*HOSTILE_TEXTS, LONE)
PRINTERS = {
    "output.py": "prints for the others",
    "overview.py": "prints the version and the overview, which are ours",
    "parsing.py": "prints help, which is ours",
    "completion.py": "prints a script, which is ours",
    "prompts.py": "prints questions, which are ours",
    "connect.py": "begins a line",
    "events.py": "prints lines that are printable already, many at once",
    "peek.py": "prints a screen, with its own colours",
}


def test_commands_print_through_one_place() -> None:
    found = set()
    for place, tree in parsed(r"\bprint\("):
        calls = (node.func for node in walk(tree) if isinstance(node, ast.Call))
        if place.startswith("cli/") and any(isinstance(called, ast.Name) and called.id == "print" for called in calls):
            found.add(Path(place).name)
    assert found == set(PRINTERS)


@in_one_test("text", TEXTS, ids=range(len(TEXTS)))
def test_a_line_is_one_line_and_printable(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    complain(text)
    fail(text)
    say_table(("A", "B"), [(text, "x"), ("y", text)])
    printed = capsys.readouterr()
    for stream, lines in ((printed.out, 4), (printed.err, 2)):
        assert stream.count("\n") == lines
        assert unprintable(stream) == []
        assert max(map(len, stream.splitlines())) <= LONGEST + len("omnyshell: ") + 1


@pytest.mark.parametrize(("columns", "shown"), [(None, "A  B  C"), (7, "A  B  C"), (6, "A  B")])
def test_columns_that_are_spare_stand_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, columns: int | None, shown: str
) -> None:
    out = io.StringIO()
    out.isatty = lambda: columns is not None  # type: ignore[method-assign]
    out.fileno = lambda: 1  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((columns or 1, 24)))
    say_table(("A", "B", "C"), [("1", "2", "3")], spare=1)
    assert out.getvalue().splitlines()[0] == shown


@in_one_test("text", TEXTS, ids=range(len(TEXTS)))
def test_json_says_the_same_and_is_printable(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say_json({text: [text]})
    printed = capsys.readouterr().out
    assert (unprintable(printed), json.loads(printed)) == ([], {text: [text]})
    line = printable_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert (unprintable(line), "\n" in line, json.loads(line)) == ([], False, {text: [text]})


@in_one_test("text", TEXTS, ids=range(len(TEXTS)))
@in_one_test("is_json", [False, True])
def test_a_log_line_is_one_line_and_printable(text: str, is_json: bool) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        failure = sys.exc_info()
    for exc_info in (None, failure):
        record = logging.LogRecord("omnyshell", logging.INFO, "", 0, "said %s", (text,), exc_info)
        record.principal = text
        lines = formatter(is_json=is_json).format(record).split("\n")
        assert unprintable("".join(lines)) == []
        if is_json:
            (said,) = (json.loads(line)["message"] for line in lines)
            assert said.removesuffix(ELLIPSIS) == f"said {text}"[:LONGEST]
        else:
            # A traceback has lines of its own, none of which can be taken for another record.
            assert len(lines) == 1 or exc_info is not None
            assert all(line.startswith(" ") for line in lines[1:])


@in_one_test("text", TEXTS, ids=range(len(TEXTS)))
def test_an_audit_record_is_printable_in_the_trail_and_out_of_it(text: str) -> None:
    record = AuditRecord(at=read_timestamp("2026-01-02T03:04:05Z"), action=text, detail=text)
    kept = chain(1, GENESIS, record)
    assert unprintable(kept.text.decode()) == []
    assert AuditRecord.from_json(json.loads(kept.text)).detail == text.encode(errors="backslashreplace").decode()
    exported = export_line(kept)
    assert exported.startswith(kept.text[:-1])
    assert json.loads(exported)["hash"] == kept.hash.hex()


def test_a_record_of_version_01_is_printable_once_it_is_exported() -> None:
    detail = "\x7f\x9b2J\u202e\u2028 \N{GRINNING FACE}"
    text = json.dumps({"seq": 1, "action": "a", "detail": detail}, ensure_ascii=False).encode()
    exported = export_line(ChainedRecord(1, GENESIS, text, link(GENESIS, text))).decode()
    assert unprintable(exported) == []
    assert json.loads(exported)["detail"] == detail
    assert unprintable(export_line(ChainedRecord(1, GENESIS, b'{"x":"\x9b\xff"}', GENESIS)).decode()) == []


def test_what_is_printable_stays() -> None:
    text = "böx 漢字 \N{GRINNING FACE} e\N{COMBINING ACUTE ACCENT}"
    assert (printable(text), printable_json(text)) == (text, text)
    record = AuditRecord(at=read_timestamp("2026-01-02T03:04:05Z"), action="a", detail=text)
    assert text in canonical_json(1, record).decode()


@pytest.mark.parametrize("is_json", [True, False])
def test_a_log_line_is_no_longer_than_somebody_reads(*, is_json: bool) -> None:
    """A peer's words reach messages, fields and tracebacks, and may be megabytes."""
    long = "\x01" * 4_000_000
    try:
        raise ValueError(long)
    except ValueError:
        record = logging.LogRecord("omnyshell", logging.INFO, "", 0, "said %s", (long,), sys.exc_info())
    record.is_step = True
    vars(record).update(dict.fromkeys(FIELDS, long))
    line = formatter(is_json=is_json).format(record)
    assert len(line) < 6 * (LONGEST + LONGEST_TRACEBACK + len(FIELDS) * (LONGEST_FIELD + 20)) + 1000
