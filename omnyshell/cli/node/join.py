"""`omnyshell node join` and `login --join`: use an invite to enrol a key and pin the hub."""

import argparse
import asyncio
from collections.abc import Mapping
from pathlib import Path

from omnyshell.cli.grammar.commands import NODE_START
from omnyshell.cli.ground.output import complain, printable, say
from omnyshell.cli.ground.prompts import ask_secret
from omnyshell.cli.node.joined import check_before, go_on
from omnyshell.cli.node.joined_keys import say_keys
from omnyshell.errors import AuthException, ConfigException
from omnyshell.options.toml_file import read_options
from omnyshell.options.values import parse_pairs
from omnyshell.paths import config_dir, logins_file, user_path
from omnyshell.protocol.messages.base import Role
from omnyshell.services.binding import Binding
from omnyshell.services.client.access import binding_from, given_access, read_token
from omnyshell.services.client.login_store import PRESENT_FORMAT, CredentialStore, StoredSession
from omnyshell.services.join import Joined, fetch_authority, join, parse_fingerprint
from omnyshell.services.join_files import AUTHORITY, KEY, SETTINGS, JoinFiles, check_directory_name
from omnyshell.services.join_settings import toml_text, write_settings
from omnyshell.services.local.setup import machine_node_id
from omnyshell.services.node.options import users_table
from omnyshell.transport.connection import HubAddress


class _Joining(JoinFiles):
    """One join. Its files are on disk before the token is spent, and get their final names afterwards."""

    def __init__(self, url: str, fingerprint: str, parent: Path, binding: Binding) -> None:
        self.binding = binding
        address = HubAddress.parse(url)
        super().__init__(address, fetch_authority(address, parse_fingerprint(fingerprint)), parent)

    def trade(self, role: str, token: str, node_id: str | None = None, suggested: str | None = None) -> Joined:
        """Spend the token. If that fails, the files are deleted."""
        with self.discarded_on_failure():
            return asyncio.run(
                join(
                    self.address,
                    self.authority_file,
                    role=role,
                    token=token,
                    key=self.key,
                    node_id=node_id,
                    suggested_id=suggested,
                    binding=self.binding,
                )
            )


def join_node(options: argparse.Namespace) -> int:
    """Make this machine a node of the hub, and start it."""
    if options.id is not None:
        check_directory_name(options.id)
    own_labels = parse_pairs(options.label, "--label")
    given = given_access(vars(options))
    token, binding = _token_of_invite(given), binding_from(given)
    parent = user_path(options.out) if options.out else config_dir() / "nodes"
    check_before(options, parent)
    for text in (*options.label, *options.allow_command, *options.become, str(parent.resolve())):
        # Check before the token is spent that the value can be written.
        toml_text(text)
    joining = _Joining(options.hub_url, options.ca_fingerprint, parent, binding)
    joined = _trade_as_node(joining, token, options.id)
    accepted = joined.accepted
    node_id = accepted.node_id or ""
    directory = joining.settle_node(node_id)
    settings: dict[str, object] = {
        "hub": str(joining.address),
        "id": node_id,
        "principal": accepted.principal,
        "key": str((directory / KEY).resolve()),
        "ca": str((directory / AUTHORITY).resolve()),
        "bind-certificate": _full_path(binding.certificate),
        "allow-unbound": binding.allow_unbound and not joined.is_bound,
    }
    if options.run_as_node_user:
        # Joining again leaves it as it was.
        settings["run-as-node-user"] = True
    config = directory / SETTINGS
    try:
        labels = {**accepted.labels, **own_labels}
        write_settings(config, settings, labels, options.allow_command, users_table(options.become))
    except ConfigException as exc:
        raise ConfigException(f"joined {joining.address} as node {node_id}, but {config} is as before: {exc}") from exc
    say(f"joined {joining.address} as node {node_id}; settings are in {config}")
    given = read_options(config, NODE_START.options).values
    say_keys(joining.key.public_key, given, is_service=options.service)
    _warn_of_older_hub(joined, binding)
    return go_on(options, config)


def join_user(options: argparse.Namespace) -> int:
    """Enrol a key for the invited user, and save the login."""
    if not options.ca_fingerprint:
        raise ConfigException("--join needs --ca-fingerprint: paste the whole line of the invite")
    given = given_access(vars(options))
    token, binding = _token_of_invite(given), binding_from(given)
    joining = _Joining(options.join, options.ca_fingerprint, config_dir() / "hubs", binding)
    store = CredentialStore(logins_file())
    with joining.discarded_on_failure():
        joining.check_login(store)
    joined = joining.trade(Role.CLIENT, token)
    accepted = joined.accepted
    directory = joining.settle_login(accepted.principal)
    login = StoredSession(
        hub=str(joining.address),
        principal=accepted.principal,
        name=options.name or "",
        key_path=str(directory / KEY),
        ca_path=str(directory / AUTHORITY),
        bind_certificate=_full_path(binding.certificate) or None,
        allow_unbound=binding.allow_unbound and not joined.is_bound,
        bound=joined.is_bound,
        since=PRESENT_FORMAT,
    )
    store.save(login)
    roles = printable(", ".join(accepted.roles)) or "none"
    say(f"joined {joining.address} as {accepted.principal} (roles: {roles}); `omnyshell nodes list` shows the nodes")
    _warn_of_older_hub(joined, binding)
    return 0


def _trade_as_node(joining: _Joining, token: str, node_id: str | None) -> Joined:
    """Spend the token for a node id whose directory is free here.

    An id whose directory belongs to another hub is not requested.
    """
    suggested: str | None = machine_node_id()
    with joining.discarded_on_failure():
        if node_id is not None:
            joining.check_node(node_id)
        elif not joining.may_take(machine_node_id()):
            suggested = None
    try:
        return joining.trade(Role.NODE, token, node_id, suggested)
    except AuthException as exc:
        if exc.code != "bad_id" or suggested is not None:
            raise
        text = f"this machine is '{machine_node_id()}' at another hub already: give another --id, or --out DIR"
        raise ConfigException(text) from exc


def _warn_of_older_hub(joined: Joined, binding: Binding) -> None:
    if not joined.is_bound and not binding.allow_unbound:
        complain("omnyshell: this hub is of an older version: logging in there takes --allow-unbound")


def _full_path(path: Path | None) -> str:
    return str(path.resolve()) if path is not None else ""


def _token_of_invite(given: Mapping[str, str]) -> str:
    """The invite's token, given as tokens are, or else typed: other users can read command lines."""
    if "token_file" in given:
        return read_token(user_path(given["token_file"]))
    otherwise = "the token of the invite is missing: set OMNYSHELL_TOKEN, give --token-file, or paste it at the prompt"
    return given.get("token") or ask_secret("Token of the invite: ", otherwise)
