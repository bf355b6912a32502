"""`omnyshell ssh-config` and `omnyshell ssh-proxy`: OpenSSH's own tools, through the hub (docs/ssh.md)."""

import argparse
import asyncio
import os
import re
import shlex
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.loop import run_until_signal
from omnyshell.cli.ground.output import complain, describe, printable, say
from omnyshell.cli.sessions.exec import stream
from omnyshell.cli.terminal.streams import tell
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.ids import is_node_id
from omnyshell.model.grammars import is_login
from omnyshell.paths import HOME_VARIABLE, config_dir, read_file, user_path
from omnyshell.security.files import changing, write_private
from omnyshell.services.access_options import ACCESS, HUB, KEY, TOKEN, is_of_agent
from omnyshell.services.client.access import given_access
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.ssh.known_hosts import KnownHost
from omnyshell.services.client.ssh.own_key import OwnKey
from omnyshell.services.client.ssh.session import ask_who, open_ssh
from omnyshell.services.client.whole_commands import collect
from omnyshell.services.dial import HubAccess

MOST_AT_ONCE = 32
"""Nodes that are asked at a time who one would be there."""

ASK_TIMEOUT = 10.0
"""Seconds in which a node says so."""

_NOT_PASSED_ON = (HUB, TOKEN)
"""The hub is named in any case, and a secret stands in no file that others read, and on no command line."""

_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def ssh_proxy(options: argparse.Namespace) -> int:
    """Be ssh's `ProxyCommand`: connect stdin and stdout to sshd on a node."""
    # ssh hangs its proxy up as it leaves; what it said last has to arrive, and its end is that of stdin.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return run_until_signal(_connect(options))


async def _connect(options: argparse.Namespace) -> int:
    node = _node_of(options.host, _domain(options))
    access = access_from(options)
    directory = _directory(access)
    key = OwnKey(config_dir() / "ssh").public()
    if not is_login(options.user or ""):
        raise ConfigException(f"'{printable(options.user or '')}' is no user's name")
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        session, shown = await open_ssh(client, node, options.user, key)
        async with session:
            KnownHost(directory, options.host).accept(shown)
            session.on_state = lambda state: tell(session, state)
            session.widen()
            return await stream(session)


def _node_of(host: str, domain: str) -> str:
    node, suffix = host[: -len(domain) - 1], host[-len(domain) - 1 :]
    node = node if suffix.lower() == f".{domain}".lower() else host
    if not is_node_id(node):
        raise ConfigException(f"'{printable(host)}' names no node")
    return node


def _domain(options: argparse.Namespace) -> str:
    domain: str = options.domain or "omny"
    if not _DOMAIN.fullmatch(domain):
        raise ConfigException(f"'{printable(domain)}' is no domain")
    return domain


def _directory(access: HubAccess) -> Path:
    """Return where the hosts of a hub are known: different hubs may have nodes of the same id."""
    return config_dir() / "ssh" / re.sub(r"[^A-Za-z0-9.-]+", "_", str(access.address).partition("://")[2])


def ssh_config(options: argparse.Namespace) -> int:
    """Print the block for ssh, or install it; or accept that a node's key has changed."""
    access, domain = access_from(options), _domain(options)
    if options.accept is not None:
        return _accept(_directory(access), _node_of(options.accept, domain), domain)
    OwnKey(config_dir() / "ssh").make()
    users, problems = run_until(access)
    for problem in problems:
        complain(f"omnyshell: {printable(problem)}")
    text = _block(options, access, domain, users)
    if options.install:
        _install(text)
    else:
        say_block(text)
    return 0


def run_until(access: HubAccess) -> tuple[dict[str, str], list[str]]:
    """Return whose the sessions of ssh would be at each node, and why not at others."""
    return asyncio.run(_users(access))


def say_block(text: str) -> None:
    """Print the block."""
    for line in text.splitlines():
        say(line)


def _accept(directory: Path, node: str, domain: str) -> int:
    for host in (node, f"{node}.{domain}"):
        if KnownHost(directory, host).forget():
            say(f"{host}: the key that it shows next is accepted")
    return 0


async def _users(access: HubAccess) -> tuple[dict[str, str], list[str]]:
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        nodes = [node.node_id for node in await client.list_nodes() if is_node_id(node.node_id)]
        room = asyncio.Semaphore(MOST_AT_ONCE)

        async def ask(node: str) -> str | OmnyShellException:
            try:
                async with room, asyncio.timeout(ASK_TIMEOUT), await ask_who(client, node) as session:
                    said = await collect(session, b"")
            except TimeoutError:
                return OmnyShellException("it does not answer")
            except OmnyShellException as exc:
                return exc
            user = said.stdout.decode(errors="replace").strip()
            if said.status.code or not is_login(user):
                return OmnyShellException(said.stderr.decode(errors="replace").strip() or "it does not say who one is")
            return user

        answers = dict(zip(nodes, await asyncio.gather(*map(ask, nodes)), strict=True))
    users = {node: answer for node, answer in answers.items() if isinstance(answer, str)}
    others = {node: answer for node, answer in answers.items() if isinstance(answer, OmnyShellException)}
    return users, [f"{node}: {describe(answer)}" for node, answer in others.items()]


def _block(options: argparse.Namespace, access: HubAccess, domain: str, users: dict[str, str]) -> str:
    by_user = defaultdict[str, list[str]](list)
    for node, user in sorted(users.items()):
        by_user[user].append(f"{node}.{domain}")
    key, known = OwnKey(config_dir() / "ssh").path, _directory(access) / "known"
    lines = ["# Nodes of OmnyShell, as `omnyshell ssh-config` wrote them: run it again for those that come later."]
    for user, hosts in by_user.items():
        lines += [f"Host {' '.join(hosts)}", f"    User {user}"]
    proxy = " ".join(map(_quoted, _proxy_words(options, access, domain)))
    lines += [
        f"Host *.{domain}",
        f"    ProxyCommand {proxy} --user %r -- %n",
        f"    IdentityFile {_path(key)}",
        "    IdentitiesOnly yes",
        f"    UserKnownHostsFile {_path(known)}.%k",
        "    GlobalKnownHostsFile /dev/null",
        "    StrictHostKeyChecking yes",
        "    HostKeyAlgorithms ssh-ed25519",
        "    CheckHostIP no",
        "    UpdateHostKeys no",
        "    SendEnv LANG LC_* COLORTERM",
    ]
    return "\n".join(lines) + "\n"


def _path(path: Path) -> str:
    text = str(path)
    if '"' in text or "\n" in text:
        raise ConfigException(f"ssh cannot read a file of this name: {printable(text)}")
    return text.replace("%", "%%").replace(" ", "\\ ")


def _quoted(word: str) -> str:
    return shlex.quote(word).replace("%", "%%")


def _proxy_words(options: argparse.Namespace, access: HubAccess, domain: str) -> Iterable[str]:
    program = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "omnyshell" else None
    if home := os.environ.get(HOME_VARIABLE):
        # Who starts ssh need not have it.
        yield from ("env", f"{HOME_VARIABLE}={user_path(home).absolute()}")
    yield from (str(Path(program).absolute()),) if program else (sys.executable, "-m", "omnyshell")
    yield "ssh-proxy"
    yield from ("--hub", str(access.address))
    given = given_access(vars(options))
    for option in ACCESS:
        if option.key not in given or option in _NOT_PASSED_ON:
            continue
        if option.kind == "flag":
            yield option.name
        else:
            value = given[option.key]
            is_path = option.kind == "file" and not (option is KEY and is_of_agent(value))
            yield from (option.name, str(user_path(value).absolute()) if is_path else value)
    if domain != "omny":
        yield from ("--domain", domain)


def _install(text: str) -> None:
    """Write the block into a file of ours, which ssh's own file includes."""
    path, config = config_dir() / "ssh" / "config", user_path("~/.ssh/config")
    write_private(path, text.encode())
    with changing(config):
        present = read_file(config) if config.exists() else b""
        include = f"Include {_path(path)}".encode()
        if include not in present.splitlines():
            # Before all else, as ssh takes what is said first, and a line after a `Host` belongs to it.
            write_private(config, include + b"\n" + present)
    say(f"{config} includes {path}")
