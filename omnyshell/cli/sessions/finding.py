"""Which session is meant where its node is left out: the only one, the one whose id begins so, or a choice."""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import complain, format_table
from omnyshell.cli.ground.prompts import can_ask
from omnyshell.durations import format_duration
from omnyshell.errors import ConfigException
from omnyshell.ids import matches_ref
from omnyshell.model.principals import ADMIN_ROLE
from omnyshell.model.sessions import DetachedSessionInfo, SessionState
from omnyshell.protocol.extensions import OTHERS_SESSIONS
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.everywhere import FoundSessions, sessions_everywhere
from omnyshell.services.dial import HubAccess

HEADER_OF_EVERYBODY = ("NODE", "SESSION", "OWNER", "STATE", "AGE", "EXPIRES", "USER", "COMMAND", "DIRECTORY")
HEADER = ("NODE", "SESSION", "STATE", "AGE", "EXPIRES", "USER", "COMMAND", "DIRECTORY")

HEADER_OF_USAGE = ("MEMORY", "CPU", "PROCESSES")

EVERYBODY = None
"""In place of an owner."""


class Place(NamedTuple):
    """A session, as requests name it."""

    node: str
    ref: str
    owner: str = ""
    """Whose it is; "" for the user's own."""


def whose(options: argparse.Namespace) -> str | None:
    """Whose sessions a command is about: "" for the user's own, None for everybody's."""
    if options.all and options.of:
        raise ConfigException("'--all' and '--of' exclude each other")
    return EVERYBODY if options.all else options.of or ""


def place_of(options: argparse.Namespace) -> Place:
    """The session that a command is about, which has `node` and `session`, either of them or none.

    Raises `ConfigException` where that is none, or one of several and nobody can be asked.
    """
    owner = whose(options)
    is_placed = options.session is not None
    if is_placed and owner is not EVERYBODY:
        return Place(options.node, options.session, owner)
    node, word = (options.node, options.session) if is_placed else (None, options.node)
    found = find(access_from(options), owner, node, word)
    place = choose(named(found, word) if is_placed else _meant(found, word), word)
    # What is advised about a refusal speaks of the node.
    options.node = place.node
    return place


def find(
    access: HubAccess, owner: str | None = "", node: str | None = None, word: str | None = None, *, usage: bool = False
) -> FoundSessions:
    """Return somebody's sessions on all nodes, or on one, and say which nodes did not answer, or refused.

    Where none of the user's own begins with `word`, and the user is an administrator, they are everybody's.
    """

    async def ask() -> FoundSessions:
        async with OmnyShellClient(ClientConfig(access=access, reconnect_timeout=0)) as client:
            known = [one for one in await client.list_nodes() if node in (None, one.node_id)]
            found = await sessions_everywhere(client, known, owner=owner, usage=usage)
            is_admin = ADMIN_ROLE in client.identity.roles and OTHERS_SESSIONS in client.hub_features
            if owner == "" and word and is_admin and not _meant(found, word):
                return await sessions_everywhere(client, known, owner=EVERYBODY)
            return found

    found = asyncio.run(ask())
    tell_silent(found)
    if owner != "" and found.refused:
        complain(f"omnyshell: you may not look at sessions of others on {', '.join(found.refused)}")
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
    return Place(one.node_id, one.session_id, one.owner_user_id)


def row(session: DetachedSessionInfo, now: datetime) -> tuple[str, ...]:
    """Its cells below `HEADER`."""
    expires = format_duration((session.expires_at - now).total_seconds()) if session.expires_at is not None else "-"
    return (
        session.node_id,
        session.short_id,
        session.state,
        format_duration((now - session.created_at).total_seconds()),
        expires,
        session.user or "-",
        session.current_command or "-",
        session.current_cwd or "-",
    )


def usage_of(session: DetachedSessionInfo) -> tuple[str, ...]:
    """Its cells below `HEADER_OF_USAGE`."""
    memory = f"{session.memory / (1 << 20):.1f}M" if session.memory is not None else "-"
    cpu = f"{session.cpu_millis / 1000:.1f}s" if session.cpu_millis is not None else "-"
    return memory, cpu, str(session.processes) if session.processes is not None else "-"


def row_of_everybody(session: DetachedSessionInfo, now: datetime) -> tuple[str, ...]:
    """Its cells below `HEADER_OF_EVERYBODY`."""
    node, short, *rest = row(session, now)
    return (node, short, session.owner_user_id or "-", *rest)


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
