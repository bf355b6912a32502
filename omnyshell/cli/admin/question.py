"""Shared by the administrative commands: a connection for one request, and the printing of answers."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import say, say_json, say_table
from omnyshell.durations import parse_duration
from omnyshell.errors import ConfigException
from omnyshell.model.schema import WireObject
from omnyshell.protocol.messages.admin import AdminRequest, AdminResult
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.dial import HubAccess
from omnyshell.transport.connection import HubAddress

T = TypeVar("T", bound=AdminRequest)


def ask(options: argparse.Namespace, request: AdminRequest, answer: type[T]) -> T:
    """Send the hub one request, logged in as the options say, and return the answer."""
    return ask_and_say_where(options, request, answer)[0]


def ask_and_say_where(options: argparse.Namespace, request: AdminRequest, answer: type[T]) -> tuple[T, HubAddress]:
    """Do as `ask` does; return the answer, and the address of the hub that gave it."""
    return asyncio.run(_ask(access_from(options), request, answer))


def do(options: argparse.Namespace, request: AdminRequest, said: str) -> int:
    """Have the hub do one thing, and print `said`, with the expiry of what was granted if there is one."""
    done = ask(options, request, AdminResult)
    say(f"{said} until {moment(done.expires_at)} UTC" if done.expires_at is not None else said)
    return 0


async def _ask(access: HubAccess, request: AdminRequest, answer: type[T]) -> tuple[T, HubAddress]:
    async with AdminClient(access) as admin:
        return await admin.ask(request, answer), admin.address


def show(
    options: argparse.Namespace,
    items: Sequence[WireObject],
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    nothing: str,
) -> int:
    """Print a list as a table, or as JSON if the options ask for it.

    Where there are several hubs, the table has that of each item.
    """
    hubs = [getattr(item, "hub", "") for item in items]
    if any(hubs):
        header = (header[0], "HUB", *header[1:])
        rows = [(row[0], hub or "-", *row[1:]) for row, hub in zip(rows, hubs, strict=True)]
    if options.json:
        say_json([item.to_wire() for item in items])
    elif rows:
        say_table(header, rows)
    else:
        say(nothing)
    return 0


def moment(at: datetime | None) -> str:
    """Return a time for people, in UTC; a dash for none."""
    return f"{at:%Y-%m-%d %H:%M}" if at is not None else "-"


def end(at: datetime | None) -> str:
    """Return an expiry for people, and whether it has passed: older hubs list what has expired."""
    return f"ended {moment(at)}" if at is not None and at <= datetime.now(UTC) else moment(at)


def optional_seconds(options: argparse.Namespace, key: str) -> int | None:
    """Read an optional duration, in seconds. Raises `ConfigException`."""
    text = getattr(options, key)
    return seconds(text, f"--{key.replace('_', '-')}") if text else None


def seconds(text: str, option: str) -> int:
    """Read a duration such as 15m, in seconds. Raises `ConfigException`."""
    result = parse_duration(text, option)
    if result < 1:
        raise ConfigException(f"{option} must be more than 0")
    return result
