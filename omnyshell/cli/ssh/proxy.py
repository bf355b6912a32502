"""`omnyshell ssh-proxy`: what OpenSSH's tools start in place of a connection. What it loads, each of them waits for."""

import argparse
import signal

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.loop import run_until_signal
from omnyshell.cli.ground.output import printable
from omnyshell.cli.sessions.exec import stream
from omnyshell.cli.ssh.hosts import domain_of, node_of
from omnyshell.cli.terminal.streams import tell
from omnyshell.errors import ConfigException
from omnyshell.model.grammars import is_login
from omnyshell.paths import config_dir
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.ssh.known_hosts import KnownHost, directory_for
from omnyshell.services.client.ssh.left_behind import end_what_was_left, noted
from omnyshell.services.client.ssh.own_key import OwnKey
from omnyshell.services.client.ssh.session import open_ssh_in_any_letters


def ssh_proxy(options: argparse.Namespace) -> int:
    """Be ssh's `ProxyCommand`: connect stdin and stdout to sshd on a node."""
    # ssh hangs its proxy up as it leaves; what it said last has to arrive, and its end is that of stdin.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return run_until_signal(_connect(options))


async def _connect(options: argparse.Namespace) -> int:
    node = node_of(options.host, domain_of(options))
    access = access_from(options)
    directory = directory_for(access.address)
    key = OwnKey(config_dir() / "ssh").public()
    if not is_login(options.user or ""):
        raise ConfigException(f"'{printable(options.user or '')}' is no user's name")
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        await end_what_was_left(client, directory, node)
        session, shown = await open_ssh_in_any_letters(client, node, options.user, key)
        with noted(directory, session.node_id, session.id):
            async with session:
                KnownHost(directory, options.host).accept(shown)
                session.on_state = lambda state: tell(session, state)
                session.widen()
                return await stream(session)
