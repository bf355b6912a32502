"""The units of hub, node and keeper, as `systemd.unit(5)` and `systemd.exec(5)` have them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from omnyshell.cli.service.plan import Kind, Plan
from omnyshell.errors import ConfigException

KEEPER = "omnyshell-keeper"

_SECRETS = ("key", "token_file", "key_passphrase_file")
_BESIDE = ("ca", "bind_certificate")
"""Files that a node reads at its start, which systemd hands to it: so they may be root's alone."""

_MOST_KEPT = 16384
"""Descriptors that systemd keeps for a keeper, whose names together have to fit into one variable of 128 KiB."""

_HARDENED = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "LockPersonality=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
    "UMask=0077",
)


class Unit(NamedTuple):
    """A unit's file."""

    name: str
    """With its suffix."""

    text: str


def units_of(plan: Plan) -> list[Unit]:
    """Return the units of a service, in the order in which they start. Raises `ConfigException`."""
    if plan.kind is Kind.HUB:
        return [_unit(plan.name, _hub(plan))]
    return [_unit(KEEPER, _keeper(plan)), _unit(plan.name, _node(plan))]


def _hub(plan: Plan) -> list[str]:
    service = [
        "Type=notify",
        f"ExecStart={_words(*plan.program, 'hub', 'start', '--config', plan.config, *_state(plan))}",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "WatchdogSec=60",
        "LimitNOFILE=65536",
        *_restarted(),
        # A port below 1024 is what a hub is best reached by.
        *_machines(plan, "AmbientCapabilities=CAP_NET_BIND_SERVICE", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"),
    ]
    return _sections(plan, "OmnyShell hub", ["Wants=network-online.target", "After=network-online.target"], service)


def _node(plan: Plan) -> list[str]:
    loaded = {} if plan.is_users else _credentials(plan)
    config = "%d/config" if loaded else str(plan.config)
    words: list[object] = [*plan.program, "node", "start", "--config", config]
    for key in loaded:
        words += [f"--{key.replace('_', '-')}", f"%d/{key}"] if key != "config" else []
    words += [*_state(plan), "--keeper", "true", "--retry-refused"]
    service = [
        "Type=notify",
        f"ExecStart={_words(*words)}",
        "WatchdogSec=60",
        *_restarted(),
        *(f"LoadCredential={key}:{_specifiers(str(path))}" for key, path in loaded.items()),
        *_machines(plan, "CapabilityBoundingSet="),
    ]
    order = [f"Wants=network-online.target {KEEPER}.service", f"After=network-online.target {KEEPER}.service"]
    return _sections(plan, "OmnyShell node", order, service)


_ENDS = "\n\r\0"
"""What ends a line of a unit."""

_FREE_THE_GROUP = (
    '-/bin/sh -c \'cd /sys/fs/cgroup$$(sed -n "s,/[.]control$$,,;s,^0::,,p" /proc/self/cgroup)/omnyshell-*/ '
    "2>/dev/null && "
    'for d in . ..; do sed "s/[a-z_]*[a-z]/-&/g" $$d/cgroup.subtree_control >$$d/cgroup.subtree_control; done\''
)
"""Takes controllers back from the groups of sessions that go on, as systemd can start no process where they are given.

The next keeper limits those sessions anew.
"""


def _keeper(plan: Plan) -> list[str]:
    """Not hardened: what it starts inherits all of it.

    A restart, and where systemd can do so (254 and later) a stop, leaves the sessions in systemd's store of
    descriptors, from which the next keeper takes them. `FDSTORE` says that there is one, which systemd does since 254.
    """
    whose = [] if plan.is_users else [*_state(plan), "--node-user", plan.user]
    service = [
        "Type=notify",
        f"FileDescriptorStoreMax={_MOST_KEPT}",
        "FileDescriptorStorePreserve=yes",
        f"Environment=FDSTORE={_MOST_KEPT}",
        "ExecReload=/bin/kill -HUP $MAINPID",
        f"ExecStart={_words(*plan.program, 'keeper', 'start', '--config', plan.config, *whose)}",
        "KillMode=process",
        # A keyring of the service's own would be one for all sessions.
        "KeyringMode=inherit",
        "Delegate=yes",
        f"ExecStopPost={_FREE_THE_GROUP}",
        "OOMPolicy=continue",
        "TasksMax=infinity",
        "LimitNOFILE=65536",
        *_restarted(),
    ]
    return _sections(plan, "OmnyShell's keeper of sessions", [], service)


def _sections(plan: Plan, description: str, order: Iterable[str], service: Iterable[str]) -> list[str]:
    target = "default.target" if plan.is_users else "multi-user.target"
    return [
        "[Unit]",
        f"Description={_specifiers(description)}",
        # One that is given up after some starts that failed loses what systemd keeps for it: a keeper's sessions.
        "StartLimitIntervalSec=0",
        *order,
        "",
        "[Service]",
        *service,
        "",
        "[Install]",
        f"WantedBy={target}",
    ]


def _state(plan: Plan) -> list[object]:
    return ["--state-dir", plan.state_dir] if plan.state_dir is not None else []


def _restarted() -> list[str]:
    return ["Restart=always", "RestartSec=2"]


def _machines(plan: Plan, *capabilities: str) -> list[str]:
    """What a service of the machine has and a user's has not: an own user, and no way to anything else."""
    if plan.is_users:
        return []
    own = [f"User={plan.user}", f"StateDirectory={plan.user}", "StateDirectoryMode=0700"]
    elsewhere = plan.path_of("state_dir")
    is_elsewhere = elsewhere is not None and not elsewhere.is_relative_to(f"/var/lib/{plan.user}")
    writable = [f"ReadWritePaths={_quoted(_specifiers(str(elsewhere)))}"] if is_elsewhere else []
    return [*own, *writable, *capabilities, *_HARDENED]


def _credentials(plan: Plan) -> dict[str, Path]:
    """The files that systemd reads for a node, by the names of the options that name them."""
    found = {key: plan.path_of(key) for key in (*_SECRETS, *_BESIDE)}
    return {"config": plan.config} | {key: path for key, path in found.items() if path is not None}


def _words(*words: object) -> str:
    """A command line, in systemd's quoting."""
    return " ".join(_word(str(word)) for word in words)


def _word(text: str) -> str:
    """A word of a command line, in which `$` names a variable."""
    return text if text.startswith("%d/") else _quoted(_specifiers(text).replace("$", "$$"))


def _quoted(text: str) -> str:
    plain = all(char.isalnum() or char in "/._-+:@%$" for char in text) and text
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _specifiers(text: str) -> str:
    """The text as it stands in a unit, where a line also ends with a carriage return."""
    if any(char in _ENDS for char in text):
        raise ConfigException(f"{text!r} cannot stand in a unit")
    return text.replace("%", "%%")


def _unit(name: str, lines: Sequence[str]) -> Unit:
    return Unit(f"{name}.service", "\n".join(lines) + "\n")
