"""`omnyshell run`: a command on many nodes at once."""

import argparse
import os
import select
import sys
from collections.abc import Sequence

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.loop import run_until_signal
from omnyshell.cli.ground.output import BROKEN_PIPE, complain
from omnyshell.cli.sessions.fleet_output import Groups, Lines, Printer, Records
from omnyshell.cli.terminal.streams import OutputStream
from omnyshell.durations import parse_duration
from omnyshell.errors import ConfigException
from omnyshell.ids import NODE_ID_RULE, is_node_id
from omnyshell.options.values import parse_pairs
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.fan_out import FleetCommand, run_on_nodes

LARGEST_INPUT = 64 * 1024 * 1024
"""Bytes of standard input, which is kept for all nodes."""

SHOWN_NAMES = 10


def run_command(options: argparse.Namespace) -> int:
    """Run a command on many nodes; returns 0 only if it ended with 0 on all of them."""
    return run_until_signal(_run(options, _input() if options.stdin else b""))


async def _run(options: argparse.Namespace, stdin: bytes) -> int:
    labels = parse_pairs(options.filter, "--filter")
    command = FleetCommand(
        command=" ".join(options.rest),
        cwd=options.cwd,
        env=parse_pairs(options.env, "--env"),
        user=options.user or "",
        stdin=stdin,
        seconds=parse_duration(options.timeout, "--timeout") if options.timeout is not None else None,
    )
    if options.parallel < 1:
        raise ConfigException("'--parallel' must be at least 1")
    async with OmnyShellClient(ClientConfig(access=access_from(options))) as client:
        nodes = await _nodes(client, labels, options.nodes)
        outputs = OutputStream(1), OutputStream(2)
        printer, has_reader = _printer(options, outputs, nodes), True
        try:
            await run_on_nodes(client, nodes, command, printer, at_once=options.parallel)
            await printer.finish()
        except BrokenPipeError:
            has_reader = False
        finally:
            for output in outputs:
                output.close()
    if not has_reader:
        return BROKEN_PIPE
    _sum_up(printer, len(nodes))
    return printer.code


async def _nodes(client: OmnyShellClient, labels: dict[str, str], names: str | None) -> list[str]:
    """The nodes that are meant, sorted. Raises `ConfigException` if that is none."""
    if names is None:
        found = await _connected(client, labels)
    elif not labels:
        found = _named(names)
    else:
        # Who is not connected is told so by the hub, as a failure of that node, also where labels leave others out.
        others = await _connected(client, {}) - await _connected(client, labels)
        found = _named(names) - others
    if not found:
        raise ConfigException("no connected node is meant: `omnyshell nodes list` shows who is there")
    return sorted(found)


async def _connected(client: OmnyShellClient, labels: dict[str, str]) -> set[str]:
    return {node.node_id for node in await client.list_nodes(labels)}


def _named(names: str) -> set[str]:
    found = {name for name in map(str.strip, names.split(",")) if name}
    if (strange := next((name for name in sorted(found) if not is_node_id(name)), None)) is not None:
        raise ConfigException(f"--nodes: '{strange}' is no node id: use {NODE_ID_RULE}")
    return found


def _printer(options: argparse.Namespace, outputs: tuple[OutputStream, OutputStream], nodes: Sequence[str]) -> Printer:
    terminals = sys.stdout.isatty(), sys.stderr.isatty()
    if options.json:
        return Records(outputs, terminals)
    return Groups(outputs, terminals) if options.group else Lines(outputs, terminals, nodes)


def _sum_up(printer: Printer, count: int) -> None:
    """Say on which nodes it failed, if there are several to look at."""
    failed = printer.failed
    if failed and count > 1:
        more = f" and {len(failed) - SHOWN_NAMES} more" if len(failed) > SHOWN_NAMES else ""
        complain(f"omnyshell: failed on {len(failed)} of {count} nodes: {', '.join(failed[:SHOWN_NAMES])}{more}")


def _input() -> bytes:
    """All of standard input. Raises `ConfigException` where that is too much, or cannot be read."""
    parts: list[bytes] = []
    size = 0
    while True:
        try:
            part = os.read(0, 1 << 20)
        except BlockingIOError:
            # Whether it waits is up to whoever shares it.
            select.select([0], [], [])
            continue
        except OSError as exc:
            raise ConfigException(f"standard input cannot be read: {exc.strerror}") from exc
        if not part:
            return b"".join(parts)
        parts.append(part)
        if (size := size + len(part)) > LARGEST_INPUT:
            raise ConfigException(f"standard input is more than {LARGEST_INPUT >> 20} MiB, which is kept for all nodes")
