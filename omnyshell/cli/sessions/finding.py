"""Which session is meant where its node is left out: the only one, the one whose id begins so, or a choice."""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import complain, format_table
from omnyshell.cli.ground.prompts import can_ask
from omnyshell.durations import format_duration
from omnyshell.errors import ConfigException
from omnyshell.ids import matches_ref
from omnyshell.model.sessions import DetachedSessionInfo, SessionState
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.everywhere import FoundSessions, sessions_everywhere
from omnyshell.services.dial import HubAccess

HEADER = ("NODE", "SESSION", "STATE", "AGE", "EXPIRES", "COMMAND", "DIRECTORY")

Place = tuple[str, str]
"""A node's id, and what names a session there."""


def place_of(options: argparse.Namespace) -> Place:
    """The session that a command is about, which has `node` and `session`, either of them or none.

    Raises `ConfigException` where that is none, or one of several and nobody can be asked.
    """
    if options.session is not None:
        return options.node, options.session
    found = find(access_from(options))
    return choose(_meant(found, options.node), options.node)


def find(access: HubAccess) -> FoundSessions:
    """Return one's sessions on all nodes, and say which nodes did not answer."""

    async def ask() -> FoundSessions:
        async with OmnyShellClient(ClientConfig(access=access, reconnect_timeout=0)) as client:
            return await sessions_everywhere(client)

    found = asyncio.run(ask())
    tell_silent(found)
    return found


def tell_silent(found: FoundSessions) -> None:
    """Say which nodes did not answer."""
    if found.silent:
        complain(f"omnyshell: no answer from {', '.join(found.silent)}: what runs there is not listed")


def choose(candidates: Sequence[DetachedSessionInfo], word: str | None) -> Place:
    """Return the only one, or the one that the user chooses; raises as `place_of` does.

    `word` is what they were looked for by; None for all.
    """
    if not candidates:
        text = f"no session begins with '{word}', and no node of that name has one" if word else "there is no session"
        raise ConfigException(f"{text}; `omnyshell sessions list` shows yours")
    one = candidates[0] if len(candidates) == 1 else _chosen(candidates, word)
    return one.node_id, one.session_id


def row(session: DetachedSessionInfo, now: datetime) -> tuple[str, ...]:
    """Its cells below `HEADER`."""
    expires = format_duration((session.expires_at - now).total_seconds()) if session.expires_at is not None else "-"
    return (
        session.node_id,
        session.short_id,
        session.state,
        format_duration((now - session.created_at).total_seconds()),
        expires,
        session.current_command or "-",
        session.current_cwd or "-",
    )


def _meant(found: FoundSessions, word: str | None) -> list[DetachedSessionInfo]:
    """Those whose id begins with the word, and those on the node of that name; of these, detached ones first.

    Both, as a node lists what it likes, and the name of another may look like the beginning of an id.
    """
    if word in found.silent:
        raise ConfigException(f"node '{word}' did not answer")
    by_id = named(found, word) if word is not None else []
    there = [session for session in found.sessions if word in (None, session.node_id) and session not in by_id]
    return [*by_id, *([session for session in there if session.state is SessionState.DETACHED] or there)]


def named(found: FoundSessions, word: str) -> list[DetachedSessionInfo]:
    """Those whose id begins with the word."""
    return [session for session in found.sessions if matches_ref(session.session_id, word)]


def _chosen(candidates: Sequence[DetachedSessionInfo], word: str | None) -> DetachedSessionInfo:
    now = datetime.now(UTC)
    rows = [(f"{number}.", *row(session, now)) for number, session in enumerate(candidates, 1)]
    lines = format_table(("", *HEADER), rows)
    if not can_ask():
        count = f"{len(candidates)} sessions"
        which = f"'{word}' may mean {count}" if word else f"there are {count}"
        ids = ", ".join(f"{one.short_id} on {one.node_id}" for one in candidates[:5])
        raise ConfigException(f"{which}: name one of {ids}{', ...' if len(candidates) > 5 else ''}")
    for line in lines:
        complain(line)
    answer = _answer(f"Which one? [1-{len(candidates)}] ")
    with suppress(ValueError):
        if 0 < int(answer) <= len(candidates):
            return candidates[int(answer) - 1]
    raise ConfigException(f"'{answer}' is none of them" if answer else "none was chosen")


def _answer(question: str) -> str:
    """Ask on the terminal, as standard input may be something else."""
    with Path("/dev/tty").open("r+b", buffering=0) as terminal:
        terminal.write(question.encode())
        return terminal.readline().decode(errors="replace").strip()
