"""Cases in which OmnyShell is not what a suite asks for, with the reasons; `docs/terminal.md` has them as a table."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("exceptions.toml")


class Difference(NamedTuple):
    """Cases of one suite that differ for one reason: what OmnyShell does, and why."""

    suite: str
    cases: Sequence[str]
    what: str
    why: str


def differences() -> list[Difference]:
    """Return what the file beside this module declares."""
    with FILE.open("rb") as file:
        declared = tomllib.load(file)
    return [Difference(suite, **entry) for suite, entries in declared.items() for entry in entries]


def declared_for(suite: str) -> set[str]:
    """Return the cases of a suite that may differ."""
    return {case for difference in differences() if difference.suite == suite for case in difference.cases}


def as_markdown() -> str:
    """Return the table for the document."""
    lines = ["| suite | cases | what OmnyShell does | why |", "| --- | --- | --- | --- |"]
    lines += [f"| {one.suite} | {_listed(one.cases)} | {one.what} | {one.why} |" for one in differences()]
    return "\n".join(lines) + "\n"


def _listed(cases: Sequence[str]) -> str:
    """Name cases, of those in one group the group once."""
    groups: dict[str, list[str]] = {}
    for case in cases:
        group, _, name = case.rpartition(":")
        groups.setdefault(group, []).append(name)
    parts = [
        (f"`{group}`: " if group else "") + ", ".join(f"`{name}`" for name in names) for group, names in groups.items()
    ]
    return "; ".join(parts)
