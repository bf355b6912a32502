"""`omnyshell sessions`: lists, shows, resumes, detaches and ends sessions."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import FAILURE, say, say_json, say_table
from omnyshell.cli.sessions.lines_wanted import lines_wanted
from omnyshell.durations import parse_duration
from omnyshell.errors import ConfigException, NodeUnavailableException
from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig

if TYPE_CHECKING:
    from omnyshell.cli.sessions.finding import Place
    from omnyshell.services.client.node_sessions import SessionScreen
    from omnyshell.terminal.screen.rows import Row

T = TypeVar("T")


def list_sessions(options: argparse.Namespace) -> int:
    """Print the user's sessions, on a node or on all of them; a list that lacks those of a node is no success."""
    from omnyshell.cli.sessions import finding
    from omnyshell.cli.sessions.finding import HEADER, HEADER_OF_EVERYBODY, find, row, row_of_everybody, whose

    incomplete, owner = False, whose(options)
    if options.node is None or owner != "":
        found = find(access_from(options), owner, options.node, usage=True)
        sessions, incomplete = found.sessions, bool(found.silent or (owner != "" and found.refused))
    else:
        sessions = _ask(options, lambda client: _sessions_on(client, options.node))
    if options.json:
        say_json([session.to_wire() for session in sessions])
    elif sessions:
        now, first, spare = datetime.now(UTC), options.node is not None, 0
        header: tuple[str, ...] = HEADER if owner == "" else HEADER_OF_EVERYBODY
        cells = row if owner == "" else row_of_everybody
        table = [cells(session, now)[first:] for session in sessions]
        if any(session.processes is not None for session in sessions):
            spare, header = len(finding.HEADER_OF_USAGE), header + finding.HEADER_OF_USAGE
            table = [line + finding.usage_of(session) for line, session in zip(table, sessions, strict=True)]
        say_table(header[first:], table, spare=spare)
    else:
        say(f"no sessions on {options.node}" if options.node else "no sessions")
    return FAILURE if incomplete else 0


async def _sessions_on(client: OmnyShellClient, node_id: str) -> tuple[DetachedSessionInfo, ...]:
    """Return the sessions on a node. As a hub answers for an unknown node with an empty list, check that case."""
    sessions = await client.list_sessions(node_id, usage=True)
    if not sessions and all(node.node_id != node_id for node in await client.list_nodes()):
        raise NodeUnavailableException(f"No node '{node_id}' is connected")
    return sessions


def peek(options: argparse.Namespace) -> int:
    """Print a session's screen: with its colours on a terminal, as text otherwise."""
    from omnyshell.cli.sessions.finding import place_of
    from omnyshell.cli.sessions.peek import print_screen

    wanted = lines_wanted(options)
    place = place_of(options)
    screen, rows = _ask(options, lambda client: _seen(client, place, wanted))
    print_screen(screen, rows, as_json=options.json)
    return 0


async def _seen(client: OmnyShellClient, place: "Place", history: int) -> "tuple[SessionScreen, list[Row]]":
    screen = await client.sessions_of(place.node, place.owner).peek(place.ref, with_history=history > 0)
    if not history:
        return screen, []
    from omnyshell.cli.sessions.history import lines_above
    from omnyshell.cli.sessions.peek import MAX_COLS

    columns = os.get_terminal_size(1).columns if sys.stdout.isatty() else MAX_COLS
    above = lines_above(client, place, end=screen.history_end, count=history, columns=columns)
    return screen, await above


def resume(options: argparse.Namespace) -> int:
    """Resume a session in this terminal; return its exit code."""
    from omnyshell.cli.ground.loop import run
    from omnyshell.cli.sessions.connect import resume_session
    from omnyshell.cli.sessions.finding import place_of
    from omnyshell.cli.terminal.escapes import parse_escape
    from omnyshell.guardian import guarding

    access, wanted, escape = access_from(options), lines_wanted(options), parse_escape(options.escape)
    place = place_of(options)
    with guarding() as guardian:
        return run(resume_session(access, place, guardian, wanted, escape))


def detach(options: argparse.Namespace) -> int:
    """Detach a session from its client, and leave it running."""
    timeout = parse_duration(options.timeout, "--timeout") if options.timeout else None
    place = _to_detach(options)
    short = _ask(options, lambda client: client.sessions_of(place.node, place.owner).detach(place.ref, timeout))
    if options.json:
        say_json({"shortId": short}, indent=None)
    else:
        say(f"detached {short}; `omnyshell sessions resume {place.node} {short}` takes it up again")
    return 0


def _to_detach(options: argparse.Namespace) -> "Place":
    """The session to detach; without one, the only one that is attached on the node."""
    from omnyshell.cli.sessions.finding import Place, place_of, whose

    owner = whose(options)
    if options.session is None and owner is None:
        raise ConfigException("which session? with '--all' name one")
    return place_of(options) if options.session is not None else Place(options.node, "", owner or "")


def kill(options: argparse.Namespace) -> int:
    """End a session."""
    from omnyshell.cli.sessions.finding import choose, find, named, place_of, whose

    if options.session is not None:
        place = place_of(options)
    else:
        word = options.node
        place = choose(named(find(access_from(options), whose(options), word=word), word), word)
        options.node = place.node
    text = _ask(options, lambda client: client.sessions_of(place.node, place.owner).kill(place.ref))
    if options.json:
        say_json({"ok": True, "message": text}, indent=None)
    else:
        say(text)
    return 0


def _ask(options: argparse.Namespace, question: Callable[[OmnyShellClient], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with OmnyShellClient(ClientConfig(access=access_from(options), reconnect_timeout=0)) as client:
            return await question(client)

    return asyncio.run(ask())
