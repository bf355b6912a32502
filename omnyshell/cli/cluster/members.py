"""`omnyshell cluster init`, `invite`, `remove`, `status` and `leave`, and `hub join`."""

import argparse
import asyncio
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from omnyshell.cli.ground.output import complain, say, say_json, say_table
from omnyshell.cli.hub.state import hub_options
from omnyshell.clock import SystemClock
from omnyshell.errors import ConfigException, Remedy
from omnyshell.model.hub_warnings import (
    AUTHORITY,
    clock_off,
    clocks_differ,
    of_another_authority,
    quiet,
    removed,
    silent,
    too_old,
    unheard,
    unlinked,
    unproven,
    unreached,
)
from omnyshell.paths import user_path
from omnyshell.services.hub.audit.heads import SignedHead
from omnyshell.services.hub.cluster.joining import join as join_by
from omnyshell.services.hub.cluster.members.identity import ENGINE_CONFIG, ClusterFiles
from omnyshell.services.hub.cluster.members.invitation import VALID, bar, found, invite
from omnyshell.services.hub.cluster.members.members import Members
from omnyshell.services.hub.cluster.nats.servers import OFF
from omnyshell.services.hub.cluster.removing import remove_member
from omnyshell.services.hub.cluster.restoring import follow as follow_by, restore as begin_again
from omnyshell.services.hub.cluster.shared.denials import apply_held
from omnyshell.services.hub.cluster.shared.end_of_log import forget_ends
from omnyshell.services.hub.cluster.status import HubSays, Status, status
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings, flaw_of_engine
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile
from omnyshell.services.hub.ground.state_lock import StateLock
from omnyshell.services.hub.truth.log import become_alone

START = "start it as before: omnyshell hub start"
START_IT = "start it: omnyshell hub start"


def init(options: argparse.Namespace) -> int:
    """Make a hub the first of several."""
    directory, servers = _state_dir(options), tuple(options.engine)
    for url in servers:
        if flaw := flaw_of_engine(url):
            raise ConfigException(f"'{url}' {flaw}").about("engine")
    with closing(_Held(directory)):
        files = ClusterFiles(directory)
        found(files, options.hub, servers, SystemClock().now())
    complain(f"this hub is '{options.hub}', the first of several. Now:")
    complain(f"1. give each server of the engine a copy of {files.directory / ENGINE_CONFIG}, which its")
    complain("   configuration includes; see docs/cluster.md for the rest of it, and start the servers")
    complain(f"2. {START}{_config(options)}; it writes what it holds into the hubs' log")
    complain(f"3. omnyshell cluster invite HUB{_named(options)} prints the line by which the next hub joins")
    return 0


def invite_hub(options: argparse.Namespace) -> int:
    """Print the line by which another hub joins."""
    directory = _state_dir(options)
    line = invite(ClusterFiles(directory), options.hub, SystemClock().now())
    complain(
        f"hub '{options.hub}' joins with this, on its machine: once, within {VALID.days} day, while this hub runs;"
    )
    complain("whoever uses the line first is that hub:")
    say(f"omnyshell hub join {line}")
    return 0


def remove(options: argparse.Namespace) -> int:
    """Have another hub be no member any more, and the engine's servers refuse it."""
    directory = _state_dir(options)
    files = ClusterFiles(directory)
    standing = files.read()
    own = standing.identity
    with closing(_state_file(directory)) as file:
        known = Members(file, standing.founder)
    members = known.hubs()
    if options.hub == own.hub:
        raise ConfigException(f"this hub is '{own.hub}' itself: stop it, and have another one remove it")
    if known.have_removed(own.hub):
        # The engine may let it write still, and the others would refuse that.
        raise ConfigException(removed())
    is_member = options.hub in members
    if is_member:
        asyncio.run(remove_member(directory, _settings(options), options.hub))
    is_barred = files.has_founded and bar(files, options.hub)
    if not is_member and not is_barred:
        raise ConfigException(f"'{options.hub}' is no member; members are {', '.join(members)}")
    complain(f"hub '{options.hub}' is no member any more: what it says changes nothing, and its nodes are free")
    if is_barred:
        servers = ", ".join(url.partition("://")[2] for url in _settings(options).engine or own.engine)
        complain("the engine's servers let it in until each of them has read who is barred. Now:")
        complain(f"1. copy {files.directory / ENGINE_CONFIG} over the {ENGINE_CONFIG} of each: {servers}")
        complain("2. on the machine of each: nats-server --signal reload")
        complain("this ends what that hub has there, and nothing of others; see docs/cluster.md, losing a hub")
    else:
        complain(f"the engine still lets it in: run this at hub '{own.founder}' too, which makes engine.conf anew")
    return 0


def join(options: argparse.Namespace) -> int:
    """Make a new hub one of several."""
    directory = _state_dir(options)
    with closing(_Held(directory)):
        if (directory / STATE_FILE).exists():
            text = f"the hub in {directory} has principals of its own, which nobody else would know"
            raise ConfigException(f"{text}: give the hub that joins a state directory of its own")
        _say_once()
        identity = asyncio.run(join_by(ClusterFiles(directory), options.line, _settings(options), SystemClock()))
    complain(
        f"this hub is '{identity.hub}' of the cluster that '{identity.founder}' founded; {START_IT}{_config(options)}"
    )
    return 0


def restore(options: argparse.Namespace) -> int:
    """Have the first hub begin another log, in place of one that the engine has lost."""
    directory = _state_dir(options)
    copy = user_path(options.copy) if options.copy else None
    with closing(_Held(directory)):
        line, before = begin_again(directory, _settings(options), copy, is_forced=options.force)
    complain(f"the hub's state before lies in {before}. Now:")
    complain(f"1. {START}{_config(options)}; it writes what it holds into the new log")
    complain("2. at each other hub, stopped: the line below; then start it")
    say(f"omnyshell cluster follow {line}")
    return 0


def follow(options: argparse.Namespace) -> int:
    """Have another hub go by the log that the first one has begun."""
    directory = _state_dir(options)
    with closing(_Held(directory)):
        before = follow_by(directory, options.line, is_forced=options.force)
    complain(
        f"this hub reads the new log from its beginning; its state before lies in {before}; {START}{_config(options)}"
    )
    return 0


def leave(options: argparse.Namespace) -> int:
    """Make a hub one that is alone, with all that it has applied."""
    directory = _state_dir(options)
    files = ClusterFiles(directory)
    with closing(_Held(directory)):
        # In this order: until the tables are its own again, the hub does not start alone.
        files.remove()
        with closing(StateFile(directory / STATE_FILE)) as file:
            become_alone(file)
            apply_held(file)
            forget_ends(file)
    complain(f"this hub is alone from now on, with all that it knew; {START}{_config(options)}")
    return 0


def show_status(options: argparse.Namespace) -> int:
    """Print how a hub stands among others."""
    directory = _state_dir(options)
    _say_once()
    with closing(_state_file(directory)) as file:
        found_status = asyncio.run(status(directory, file, _settings(options)))
    if options.json:
        say_json(_plain(found_status))
    else:
        _show(found_status)
    return 0 if found_status.engine is not None and not found_status.has_lost else 1


def _say_once() -> None:
    """Have why the engine is not reached be told where a command says what it found, and not beside that as well."""
    logging.getLogger("omnyshell.cluster").addHandler(logging.NullHandler())


def _plain(told: Status) -> dict[str, object]:
    engine = told.engine
    return {
        "cluster": told.identity.cluster,
        "generation": told.identity.generation,
        "hub": told.identity.hub,
        "founder": told.identity.founder,
        "members": list(told.members),
        "links": {hub: since.isoformat() for hub, since in told.links.items()},
        "applied": told.applied,
        "engine": engine._asdict() if engine is not None else None,
        "has_lost": told.has_lost,
        "engine_problems": dict(told.problems),
        "unknown": told.unknown,
        "hubs": [hub._asdict() for hub in told.hubs],
        "engine_clock_off": told.engine_clock_off,
        "clocks_differ": told.clocks_differ,
        "servers": [server._asdict() for server in told.servers],
        "unlike": told.unlike(),
        "audits": {hub: _head(head) for hub, head in told.heads.items()},
        "faults": list(told.faults),
        "doubted": [{"hub": each.hub, "nodeId": each.node_id} for each in told.doubted],
    }


def _show(told: Status) -> None:
    engine = told.engine
    say(
        f"hub        {told.identity.hub}, of the cluster {told.identity.cluster}, generation {told.identity.generation}"
    )
    say(f"applied    {told.applied} changes{'' if engine is None else f' of {engine.last}'}")
    if told.has_lost:
        say("engine     HAS LOST THE LOG that this hub has applied: see `omnyshell cluster restore`")
    elif engine is None:
        say("engine     does not answer: changes are refused, all else goes on")
        for server, why in sorted(told.problems.items()):
            say(f"           {server}: {why}")
    else:
        say(f"engine     leader {engine.leader or 'none'}, {engine.copies} copies, {engine.current} of them current")
    for warning in _warnings(told):
        say(warning)
    if engine is not None and not told.hubs:
        say("beats      nobody says now how the hubs are, as while the engine elects a leader: ask again")
    if not told.hubs:
        say_table(("MEMBER", "LINK", "AUDIT"), [(hub, *_linked(told, hub)) for hub in told.members])
    else:
        titles = ("MEMBER", "LAST BEAT", "APPLIED", "LINK", "AUDIT")
        say_table(titles, [(*_row(told, hub), *_linked(told, hub.hub)) for hub in told.hubs])


def _warnings(told: Status) -> Iterator[str]:
    """Yield what is to be seen to."""
    if told.members and told.identity.hub not in told.members:
        yield f"WARNING    {removed()}"
    if told.unknown is not None:
        yield f"WARNING    {too_old('', told.unknown)}"
    yield from _warnings_of_hubs(told)
    for server in told.servers:
        if server.is_off:
            yield f"WARNING    server {server.name} stores nothing: {OFF}"
        elif not server.is_synced:
            yield f"warning    server {server.name} acknowledges what is not on its disk yet: set sync_interval: always"
    for name, groups in told.unlike().items():
        if name != AUTHORITY:
            yield f"warning    {name} differ: {' / '.join(', '.join(hubs) for hubs in groups.values())}"
    for name, nodes in told.doubted_by_hub().items():
        yield f"WARNING    {unproven(name, nodes)}"
    for fault in told.faults:
        yield f"WARNING    {fault}: `omnyshell audit acknowledge` if you know why"


def _warnings_of_hubs(told: Status) -> Iterator[str]:
    for hub in told.hubs:
        if hub.unknown and hub.hub != told.identity.hub:
            yield f"WARNING    {too_old(hub.hub, hub.unknown)}"
        if hub.age is None:
            yield f"warning    {unheard(hub.hub)}"
        if hub.is_silent:
            yield f"WARNING    {silent(hub.hub, hub.age or 0.0)}"
        elif told.is_quiet(hub):
            yield f"warning    {quiet(hub.hub, hub.age or 0.0)}"
    yield from _warnings_of_clocks(told)
    if told.apart:
        yield f"warning    {unlinked(told.apart)}"
    if others := told.of_another_authority:
        yield f"warning    {of_another_authority(others)}"
    if unreachable := [hub.hub for hub in told.hubs if hub.is_unreached]:
        yield f"warning    {unreached(unreachable)}"


def _warnings_of_clocks(told: Status) -> Iterator[str]:
    wrong = [(hub.hub, hub.clock_off) for hub in told.hubs if hub.clock_off]
    for hub, off in [*wrong, *([("", told.engine_clock_off)] if told.engine_clock_off else [])]:
        yield f"WARNING    {clock_off(hub, off)}"
    if told.clocks_differ:
        yield f"warning    {clocks_differ()}"


def _row(told: Status, hub: HubSays) -> tuple[str, ...]:
    if hub.age is None:
        return hub.hub, "never", ""
    if hub.is_silent or told.is_quiet(hub):
        return hub.hub, f"silent for {hub.age:.0f} s", str(hub.applied)
    standing = ", as it stopped" if hub.has_stopped else "" if hub.weight else ", takes nobody new"
    return hub.hub, f"{hub.age:.0f} s ago{standing}", str(hub.applied)


def _linked(told: Status, hub: str) -> tuple[str, str]:
    """Return since when there is a link, and where the other's audit trail ended when it told that last."""
    if hub == told.identity.hub:
        return "this hub", ""
    since, head = told.links.get(hub), told.heads.get(hub)
    ends = f"{head.seal.seq} at {head.seal.at[:19]}Z" if head is not None else "not told"
    return f"since {since.astimezone():%Y-%m-%d %H:%M:%S}" if since is not None else "none", ends


def _head(head: SignedHead) -> dict[str, object]:
    mark = head.seal
    return {"seq": mark.seq, "hash": mark.hash.hex(), "at": mark.at, "publicKey": head.key.to_base64()}


def _config(options: argparse.Namespace) -> str:
    return f" --config {options.hub_config}" if options.hub_config else ""


def _named(options: argparse.Namespace) -> str:
    return f" --hub-config {options.hub_config}" if options.hub_config else f" --state-dir {options.state_dir}"


def _settings(options: argparse.Namespace) -> ClusterSettings:
    if not options.hub_config:
        return ClusterSettings()
    settings: ClusterSettings | None = hub_options(options).cluster
    return settings or ClusterSettings()


def _state_file(directory: Path) -> StateFile:
    """Open the tables of a hub that has been started as one of several; a look makes no file where there is none.

    Raises `ConfigException`.
    """
    ClusterFiles(directory).read()
    if not (directory / STATE_FILE).exists():
        raise ConfigException(f"the hub of {directory} was not started yet; {START_IT}")
    return StateFile(directory / STATE_FILE)


def _state_dir(options: argparse.Namespace) -> Path:
    if options.state_dir:
        return user_path(options.state_dir)
    if options.hub_config:
        from omnyshell.cli.hub.start import state_dir_from

        return state_dir_from(hub_options(options))
    raise ConfigException("say which hub of this machine: by --hub-config, its hub.toml, or --state-dir")


class _Held:
    """Keeps a hub from starting with a state directory meanwhile. Raises `ConfigException` where one runs."""

    def __init__(self, directory: Path) -> None:
        try:
            self._lock = StateLock(directory)
        except ConfigException as exc:
            if exc.remedy is not Remedy.OTHER_STATE_DIR:
                raise
            # Not another state directory, as it would be advised elsewhere: this one is meant.
            raise ConfigException(f"the hub of {directory} runs: stop it, and start it again afterwards") from None

    def close(self) -> None:
        self._lock.release()
