"""What is said of a new node's keys: by them ssh knows it, and `omnyshell nodes list --keys` shows them elsewhere."""

import os
from collections.abc import Mapping
from typing import Any

from omnyshell.cli.ground.output import complain, printable, say
from omnyshell.errors import ConfigException
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.security.public_keys import fingerprint
from omnyshell.services.node.as_root import node_state
from omnyshell.services.node.environment import account
from omnyshell.services.node.ssh.host_keys import HostKeys


def say_keys(key: Ed25519PublicKey, given: Mapping[str, Any], *, is_service: bool) -> None:
    """Print the fingerprints of a new node's key, and of its SSH host keys, by what its file gives.

    A service of the machine is another user, and makes host keys in a state directory of its own.
    """
    say(f"its key, which clients of ssh pin: {fingerprint(key)}")
    if os.geteuid() == 0 and is_service:
        return
    node_id = given["id"]
    keys = HostKeys.of_node(node_state(given.get("state_dir"), node_id), node_id)
    try:
        for user in _users_of_sessions(given):
            say(f"its SSH host key for {printable(user)}: {fingerprint(keys.public_key(user))}")
    except ConfigException as exc:
        # It has joined, and ssh may not even be wanted.
        complain(f"omnyshell: {exc}")


def _users_of_sessions(given: Mapping[str, Any]) -> list[str]:
    if users := given.get("users"):
        return list(dict.fromkeys(user for those in users.values() for user in those))
    return [account().name] if os.geteuid() != 0 or given.get("run_as_node_user") else []
