"""`omnyshell node join` and `login --join`: from an invite to a key that is enrolled, and a hub that is pinned."""

import argparse
import asyncio
import json
import re
from pathlib import Path

from omnyshell.cli.parsing import parse, parse_pairs
from omnyshell.cli.spec import NODE_START
from omnyshell.errors import ConfigException
from omnyshell.ids import is_node_id, new_id, short_id
from omnyshell.paths import config_dir, logins_file, user_path
from omnyshell.protocol.handshake import CLIENT_PEER, NODE_PEER
from omnyshell.protocol.messages.admin import JoinAccepted
from omnyshell.security.files import write_private
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.client.access import given_access, read_token
from omnyshell.services.client.login_store import CredentialStore, StoredSession
from omnyshell.services.join import fetch_authority, join, parse_fingerprint
from omnyshell.services.local.setup import machine_node_id
from omnyshell.transport.connection import HubAddress


class _Joining:
    """One join: what is made for it is on disk before the token is spent, and gets its final name afterwards."""

    def __init__(self, url: str, fingerprint: str, parent: Path) -> None:
        self.address = HubAddress.parse(url)
        authority = fetch_authority(self.address, parse_fingerprint(fingerprint))
        self._parent = parent
        self._directory = parent / f".joining-{short_id(new_id())}"
        self.key = Ed25519PrivateKey.generate()
        self.key.save(self._directory / "key.pem")
        write_private(self._directory / "ca.pem", authority.encode())

    def trade(self, role: str, token: str, node_id: str | None = None, suggested: str | None = None) -> JoinAccepted:
        """Spend the token. Whatever prevents that leaves nothing behind."""
        try:
            return asyncio.run(
                join(
                    self.address,
                    self._directory / "ca.pem",
                    role=role,
                    token=token,
                    key=self.key,
                    node_id=node_id,
                    suggested_id=suggested,
                )
            )
        except BaseException:
            self._discard()
            raise

    def settle(self, name: str) -> Path:
        """Give the files their place below the parent, in place of an earlier join's; returns it."""
        target = self._parent / name
        try:
            target.mkdir(mode=0o700, exist_ok=True)
            for file in ("key.pem", "ca.pem"):
                (self._directory / file).replace(target / file)
            self._directory.rmdir()
        except OSError as exc:
            text = f"joined, but cannot write {target}: {exc.strerror}; the key is in {self._directory}"
            raise ConfigException(text) from exc
        return target

    def _discard(self) -> None:
        for file in ("key.pem", "ca.pem"):
            (self._directory / file).unlink(missing_ok=True)
        self._directory.rmdir()


def join_node(options: argparse.Namespace) -> int:
    """Make this machine a node of the hub, and start it."""
    if options.id is not None and not is_node_id(options.id):
        raise ConfigException(f"--id '{options.id}': use letters, digits, '_', '.' and '-'")
    own_labels = parse_pairs(options.label, "--label")
    parent = user_path(options.out) if options.out else config_dir() / "nodes"
    joining = _Joining(options.hub_url, options.ca_fingerprint, parent)
    accepted = joining.trade(NODE_PEER, _token_of_invite(options), options.id, machine_node_id())
    node_id = accepted.node_id or machine_node_id()
    directory = joining.settle(node_id)
    config = directory / "node.toml"
    labels = {**accepted.labels, **own_labels}
    settings: dict[str, object] = {
        "hub": str(joining.address),
        "id": node_id,
        "principal": accepted.principal,
        "key": str((directory / "key.pem").resolve()),
        "ca": str((directory / "ca.pem").resolve()),
        "label": [f"{name}={value}" for name, value in sorted(labels.items())],
        "allow-command": options.allow_command,
    }
    write_private(config, _toml(settings).encode())
    print(f"joined {joining.address} as node {node_id}; settings are in {config}", flush=True)
    if options.no_start:
        print(f"start it with: omnyshell node start --config {config}")
        return 0
    from omnyshell.cli.node import start

    return start(parse(NODE_START, ["--config", str(config)]))


def join_user(options: argparse.Namespace) -> int:
    """Enrol a key for the person the invite is for, and save the login."""
    if not options.ca_fingerprint:
        raise ConfigException("--join needs --ca-fingerprint: paste the whole line of the invite")
    token = _token_of_invite(options)
    joining = _Joining(options.join, options.ca_fingerprint, config_dir() / "hubs")
    accepted = joining.trade(CLIENT_PEER, token)
    where = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{joining.address.host}-{joining.address.port}-{accepted.principal}")
    directory = joining.settle(where).resolve()
    login = StoredSession(
        hub=str(joining.address),
        principal=accepted.principal,
        key_path=str(directory / "key.pem"),
        ca_path=str(directory / "ca.pem"),
    )
    CredentialStore(logins_file()).save(login)
    roles = ", ".join(accepted.roles) or "none"
    print(f"joined {joining.address} as {accepted.principal} (roles: {roles}); `omnyshell nodes list` shows the nodes")
    return 0


def _token_of_invite(options: argparse.Namespace) -> str:
    """The token, from where any is taken: it need not be on a command line that others see."""
    given = given_access(options)
    if "token_file" in given:
        return read_token(user_path(given["token_file"]))
    if "token" not in given:
        raise ConfigException("--token is missing: paste the whole line of the invite, or set OMNYSHELL_TOKEN")
    return given["token"]


def _toml(settings: dict[str, object]) -> str:
    """Write texts and lists of texts; a JSON text is a TOML text."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items() if value]
    return "# Written by `omnyshell node join`.\n" + "\n".join(lines) + "\n"
