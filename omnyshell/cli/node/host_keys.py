"""`omnyshell nodes list --keys`: by which keys ssh knows nodes."""

from collections.abc import Sequence
from typing import Any

import msgspec

from omnyshell.cli.ground.output import complain, describe, printable, say_table
from omnyshell.errors import OmnyShellException
from omnyshell.ids import is_node_id
from omnyshell.security.public_keys import fingerprint
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.ssh.known_hosts import CHANGED, DOMAIN, KnownHost, Shown, directory_for
from omnyshell.services.client.ssh.session import ask_host_key, ask_user
from omnyshell.services.client.ssh.survey import ask_each
from omnyshell.services.dial import HubAccess


class HostKey(msgspec.Struct, frozen=True):
    """What a node shows, and what this machine knows of it."""

    shown: Shown
    known: str
    """As `KnownHost.judge` says it."""

    def to_json(self) -> dict[str, str | None]:
        """Return it as scripts get it."""
        signer = self.shown.node_key
        return {
            "user": self.shown.user,
            "hostKey": fingerprint(self.shown.host_key),
            "nodeKey": None if signer is None else fingerprint(signer),
            "known": self.known,
        }


HostKeys = dict[str, HostKey | OmnyShellException]


async def ask_host_keys(client: OmnyShellClient, access: HubAccess, nodes: Sequence[str]) -> HostKeys:
    """Ask nodes for the keys that sshd shows to the user who one is there, and judge them by what is known here."""
    directory = directory_for(access.address)

    async def ask(node: str) -> HostKey:
        shown = await ask_host_key(client, node, await ask_user(client, node))
        return HostKey(shown, KnownHost(directory, f"{node}.{DOMAIN}").judge(shown))

    return await ask_each(filter(is_node_id, nodes), ask)


def as_json(answer: HostKey | OmnyShellException) -> dict[str, Any]:
    """Return what a node answered, or why it did not, as scripts get it."""
    return answer.to_json() if isinstance(answer, HostKey) else {"error": describe(answer)}


def say_host_keys(answers: HostKeys) -> None:
    """Print a table of them."""
    rows = [(node, *_cells(answer)) for node, answer in answers.items()]
    say_table(("NODE", "USER", "HOST KEY", "SIGNED BY", "KNOWN"), rows)


def tell_of_changes(answers: HostKeys) -> None:
    """Say it where a node shows another key than before."""
    for node, answer in answers.items():
        if isinstance(answer, HostKey) and answer.known == CHANGED:
            how = f"if that is right, `omnyshell ssh-config --accept {node}` accepts what it shows next"
            complain(f"omnyshell: '{node}' shows another key than before; {how}")


def _cells(answer: HostKey | OmnyShellException) -> tuple[str, str, str, str]:
    if isinstance(answer, HostKey):
        said = answer.to_json()
        return str(said["user"]), str(said["hostKey"]), said["nodeKey"] or "-", answer.known
    return "-", printable(describe(answer)), "-", "-"
