"""`omnyshell ssh-config`: what has OpenSSH's own tools go through the hub (docs/ssh.md)."""

import argparse
import asyncio
import os
import pwd
import re
import shlex
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import complain, describe, printable, say
from omnyshell.cli.ssh.hosts import domain_of, node_of, without_domain
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.ids import is_node_id
from omnyshell.paths import HOME_VARIABLE, config_dir, read_file, user_path
from omnyshell.security.files import changing, write_private
from omnyshell.services.access_options import ACCESS, HUB, KEY, TOKEN, is_of_agent
from omnyshell.services.client.access import given_access
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.ssh.known_hosts import DOMAIN, KnownHost, directory_for, known_hosts
from omnyshell.services.client.ssh.own_key import OwnKey
from omnyshell.services.client.ssh.session import ask_user
from omnyshell.services.client.ssh.survey import ask_each
from omnyshell.services.client.ssh.this_machine import has_instructions_for_aes
from omnyshell.services.dial import HubAccess

_NOT_PASSED_ON = (HUB, TOKEN)
"""The hub is named in any case, and a secret stands in no file that others read, and on no command line."""

_USER = re.compile(r"[\w.@+][\w.@+-]*")
"""A user's name of which neither ssh, reading the block, nor the shell of its `ProxyCommand` makes anything else."""


def ssh_config(options: argparse.Namespace) -> int:
    """Print the block for ssh, or install it; or accept that a node's key has changed."""
    access, domain = access_from(options), domain_of(options)
    if options.accept is not None:
        return _accept(directory_for(access.address), options.accept, domain)
    OwnKey(config_dir() / "ssh").make()
    users, others = _told_apart(asyncio.run(_ask_users(access)))
    lines = _block(options, access, domain, users, others)
    if options.install:
        ssh = _install("".join(f"{line}\n" for line in lines))
        lines = [f"{node}: {why}" for node, why in others.items()]
        lines += [f"now `{ssh} {node}.{domain}` works, and so do scp, sftp, rsync and git" for node in [*users][:1]]
    for line in lines:
        say(line)
    return 0


def _accept(directory: Path, named: str, domain: str) -> int:
    node = node_of(named, domain)
    for host in known_hosts(directory):
        if host == named or without_domain(host, domain) == node:
            KnownHost(directory, host).forget()
            say(f"{host}: the key that it shows next is accepted")
    return 0


async def _ask_users(access: HubAccess) -> dict[str, str | OmnyShellException]:
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        nodes = [node.node_id for node in await client.list_nodes() if is_node_id(node.node_id)]
        return await ask_each(nodes, partial(ask_user, client))


def _told_apart(answers: Mapping[str, str | OmnyShellException]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the users of nodes, and why other nodes have none, by what they answered."""
    users, others = dict[str, str](), dict[str, str]()
    for node, answer in answers.items():
        if not isinstance(answer, str):
            others[node] = printable(describe(answer))
        elif not _USER.fullmatch(answer):
            others[node] = f"'{printable(answer)}' is a user's name that cannot stand here"
        else:
            users[node] = answer
    return users, others


def _block(
    options: argparse.Namespace, access: HubAccess, domain: str, users: dict[str, str], others: dict[str, str]
) -> list[str]:
    by_user = defaultdict[str, list[str]](list)
    for node, user in sorted(users.items()):
        by_user[user].append(f"{node}.{domain}")
    key, known = OwnKey(config_dir() / "ssh").path, directory_for(access.address) / "known"
    lines = ["# Nodes of OmnyShell, as `omnyshell ssh-config` wrote them: run it again for those that come later."]
    # Not on stderr: who evaluates the block has done nothing wrong.
    lines += [f"# {node}: {why}" for node, why in sorted(others.items())]
    for user, hosts in by_user.items():
        lines += _in_any_letters(hosts, [f"User {user}"])
    proxy = " ".join(map(_quoted, _proxy_words(options, access, domain)))
    settings = [
        f"ProxyCommand {proxy} --user %r -- %n",
        f"IdentityFile {_path(key)}",
        "IdentitiesOnly yes",
        f"UserKnownHostsFile {_path(known)}.%k",
        "GlobalKnownHostsFile /dev/null",
        "StrictHostKeyChecking yes",
        "HostKeyAlgorithms ssh-ed25519",
        *(["Ciphers ^aes128-gcm@openssh.com"] if has_instructions_for_aes() else []),
        "CheckHostIP no",
        "UpdateHostKeys no",
        "SendEnv LANG LC_* COLORTERM",
    ]
    return lines + _in_any_letters([f"*.{domain}"], settings)


def _in_any_letters(hosts: Iterable[str], settings: Iterable[str]) -> list[str]:
    """Return the lines for hosts: `Host` has names for whoever completes them, `Match` takes them in any letters."""
    said = [f"    {setting}" for setting in settings]
    return [f"Host {' '.join(hosts)}", *said, f"Match originalhost {','.join(hosts)}", *said]


def _path(path: Path) -> str:
    text = str(path)
    if not text.isprintable() or set(text) & set("\"'\\$"):
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
    if domain != DOMAIN:
        yield from ("--domain", domain)


def _install(text: str) -> str:
    """Write the block into a file of ours, which ssh's own file includes; return the command that reads it."""
    # Where it is a link, as to a file that is kept with others, what it leads to is written.
    path, config = config_dir() / "ssh" / "config", Path(os.path.realpath(user_path("~/.ssh/config")))
    write_private(path, text.encode())
    with changing(config):
        present = read_file(config) if config.exists() else b""
        include = f"Include {_path(path)}".encode()
        if include not in present.splitlines():
            # Before all else, as ssh takes what is said first, and a line after a `Host` belongs to it.
            write_private(config, include + b"\n" + present)
    say(f"{config} includes {path}")
    theirs = _read_by_ssh()
    if theirs is None or config == Path(os.path.realpath(theirs)):
        return "ssh"
    complain(f"omnyshell: ssh reads {theirs}, whatever HOME says: have it read this file by `ssh -F {config}`")
    return f"ssh -F {config}"


def _read_by_ssh() -> Path | None:
    """Return the file that ssh reads, which asks the database of users; None where that has no such user."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir, ".ssh", "config")
    except KeyError:
        return None
