"""`omnyshell node start`."""

import argparse
import asyncio
import os
from contextlib import suppress

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.loop import run
from omnyshell.cli.ground.notify import ServiceManager
from omnyshell.cli.ground.output import REFUSED, describe, fail
from omnyshell.cli.ground.service import nothing_to_reload, set_up_logging, tune_memory, until_stopped
from omnyshell.cli.ground.strict_files import check_files, strict_modes
from omnyshell.errors import AuthException, ConfigException, ErrorCodes
from omnyshell.options.values import settings
from omnyshell.security.files import make_private_directory
from omnyshell.services.client.agent_login import AgentCredentialProvider
from omnyshell.services.dial import HubAccess
from omnyshell.services.local.pid_file import PidFile, TakenException
from omnyshell.services.node.as_root import node_state
from omnyshell.services.node.config import NodeConfig
from omnyshell.services.node.keeper.limited import limits_file
from omnyshell.services.node.node import OmnyShellNode
from omnyshell.services.node.options import OPTIONS, users_file, uses_keeper


def start(options: argparse.Namespace) -> int:
    """Serve this machine until a signal ends it; exit code 1 when the hub refuses the credential."""
    tune_memory()
    set_up_logging(options.log_level, options.log_format)
    return run(_serve(config_from(options)))


def config_from(options: argparse.Namespace) -> NodeConfig:
    """Return the node's settings. Raises `ConfigException` for an option that is wrong."""
    strict = strict_modes(options)
    check_files(strict, options, OPTIONS)
    said = {"state_dir": node_state(None, options.id)} | settings(vars(options), OPTIONS, NodeConfig)
    strict.check_tree(said["state_dir"])
    include = options.ssh or None
    if include is not None:
        strict.check(include)
    files = {"users_file": users_file(vars(options)), "limits_file": limits_file(vars(options)), "ssh_include": include}
    sessions = {"keeper": uses_keeper(vars(options))} | files
    return NodeConfig(**said | {"access": _access(options)} | sessions)


def _access(options: argparse.Namespace) -> HubAccess:
    access = access_from(options)
    if isinstance(access.credentials, AgentCredentialProvider):
        # It comes back by itself at any hour, and proves its SSH host keys by its key, which no agent is asked for.
        text = "a node logs in by itself, which no key of an agent can: give it a key in a file, or a token"
        raise ConfigException(text)
    return access


async def _serve(config: NodeConfig) -> int:
    # The lock is held until the process ends.
    _claim(config)
    manager = ServiceManager()
    node = OmnyShellNode(config)
    running = asyncio.create_task(node.run())
    stopping = asyncio.create_task(until_stopped(nothing_to_reload))
    # Ready is a node that can serve: whether its hub can be reached is not in its hands.
    async with manager.told():
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    node.stop()
    try:
        await running
    except AuthException as exc:
        fail(f"the hub refused this node: {_explain(exc)}")
        return REFUSED
    return 0


def _claim(config: NodeConfig) -> None:
    """Ensure that only one process on this machine runs the node. Raises `ConfigException` if another one does."""
    file = PidFile(config.state_dir / f"{config.node_id}.pid")
    try:
        make_private_directory(config.state_dir)
        claimed = file.claim()
    except OSError as exc:
        raise ConfigException(f"cannot use the state directory {config.state_dir}: {exc.strerror}") from exc
    except TakenException as exc:
        pid = (file.read() or {}).get("pid", "?")
        raise ConfigException(f"process {pid} runs the node {config.node_id} already: {file.path}") from exc
    # What counts is the lock. Who has it is told to people: a full disk keeps no node from its sessions.
    with suppress(ConfigException):
        file.write(claimed, {"pid": os.getpid()})


def _explain(refusal: AuthException) -> str:
    if refusal.code == ErrorCodes.NOT_AUTHORIZED:
        return f"{refusal}; it takes a principal with the role node, and an id that no other principal has registered"
    return describe(refusal)
