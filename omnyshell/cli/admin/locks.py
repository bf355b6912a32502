"""`omnyshell locks add`, `list` and `remove`: shutting out a principal, a node or a role, whatever it is granted."""

import argparse
from datetime import UTC, datetime

from omnyshell.cli.admin.question import ask, do, moment, optional_seconds, show
from omnyshell.cli.ground.output import complain, say
from omnyshell.errors import ConfigException
from omnyshell.model.admin import LockKind
from omnyshell.protocol.messages.admin import AdminResult, LockAdd, LockRemove, LocksRequest, LocksResponse


def add(options: argparse.Namespace) -> int:
    """Lock a principal, node or role, and end its connections and sessions."""
    request = LockAdd(
        request_id="",
        kind=options.kind,
        name=options.name,
        why=options.why or "",
        ttl_seconds=optional_seconds(options, "for"),
    )
    done = ask(options, request, AdminResult)
    until = f" until {moment(done.expires_at)} UTC" if done.expires_at is not None else ""
    what = f"{options.kind} {options.name}"
    say(f"{what} is locked{until}; `omnyshell locks remove {what}` ends it")
    if done.message:
        complain(done.message)
    return 0


def list_locks(options: argparse.Namespace) -> int:
    """Print what is locked."""
    locks = ask(options, LocksRequest(request_id=""), LocksResponse).locks
    rows = [
        (one.kind, one.name, moment(one.created_at), one.created_by, moment(one.expires_at), one.why or "-")
        for one in locks
    ]
    header = ("KIND", "NAME", "SINCE (UTC)", "BY", "UNTIL (UTC)", "WHY")
    return show(options, locks, header, rows, "nothing is locked")


def remove(options: argparse.Namespace) -> int:
    """Remove a lock, at a running hub or in the state directory of a stopped one."""
    said = f"{options.kind} {options.name} is locked no more"
    if options.offline:
        return _remove_offline(options, said)
    return do(options, LockRemove(request_id="", kind=options.kind, name=options.name), said)


def _remove_offline(options: argparse.Namespace, said: str) -> int:
    from omnyshell.cli.hub.state import local_user, state_directory
    from omnyshell.services.hub.access.lock_store import offline_locks

    directory = state_directory(options)
    with offline_locks(directory) as store:
        if not store.remove(LockKind(options.kind), options.name, datetime.now(UTC), local_user()):
            held = ", ".join(f"{lock.kind} {lock.name}" for lock in store.locks())
            raise ConfigException(f"{options.kind} {options.name} is not locked in {directory}; locked: {held or '-'}")
    say(f"{said}; the hub audits that when it starts")
    return 0
