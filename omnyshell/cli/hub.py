"""`omnyshell hub start`."""

import argparse
import hashlib
import math
from pathlib import Path

from omnyshell.cli.loop import run
from omnyshell.cli.output import announce
from omnyshell.cli.service import set_up_logging, tune_memory, until_stopped
from omnyshell.errors import ConfigException
from omnyshell.model.tunnels import PortRange
from omnyshell.paths import state_dir, user_path
from omnyshell.security.authenticators import (
    Authenticator,
    CompositeAuthenticator,
    PublicKeyAuthenticator,
    TokenAuthenticator,
    TokenGrant,
)
from omnyshell.security.authorized_keys import AuthorizedKeysStore
from omnyshell.security.certificates import spki_sha256_of_der
from omnyshell.security.login_limit import LoginLimit
from omnyshell.services.hub.config import HubConfig
from omnyshell.services.hub.hub import OmnyShellHub
from omnyshell.transport.endpoint import EndpointLimits
from omnyshell.transport.tls import leaf_of_chain


def start(options: argparse.Namespace) -> int:
    """Serve a hub until a signal ends it."""
    tune_memory()
    set_up_logging(options.log_level)
    return run(_serve(config_from(options)))


def config_from(options: argparse.Namespace) -> HubConfig:
    """Return the hub's settings. Raises `ConfigException` for an option that is wrong."""
    cert = user_path(options.cert)
    if not 0 <= options.port <= 65535:
        raise ConfigException(f"--port {options.port}: ports are 0 to 65535")
    if not 0 < options.heartbeat_timeout < math.inf or options.max_connections <= 0:
        raise ConfigException("--heartbeat-timeout and --max-connections must be more than 0")
    return HubConfig(
        cert=cert,
        key=user_path(options.key),
        host=options.host or "",
        port=options.port,
        authenticator=_authenticator(options),
        state_dir=_state_dir(options, cert),
        heartbeat_timeout=options.heartbeat_timeout,
        login_limit=LoginLimit.parse(options.login_limit),
        endpoint=EndpointLimits(max_connections=options.max_connections),
        tunnel_ports=PortRange.parse(options.tunnel_port_range) if options.tunnel_port_range else None,
        tunnel_public_host=options.tunnel_public_host or "",
        tunnel_bind_host=options.tunnel_bind_host,
        tunnel_cert=_path(options.tunnel_cert),
        tunnel_key=_path(options.tunnel_key),
        secure_tunnels=not options.no_tunnel_tls,
    )


async def _serve(config: HubConfig) -> int:
    async with OmnyShellHub(config) as hub:
        host = config.host or "0.0.0.0"  # noqa: S104
        announce(f"hub listens on wss://{f'[{host}]' if ':' in host else host}:{hub.port}")
        await until_stopped()
    return 0


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None


def _authenticator(options: argparse.Namespace) -> Authenticator:
    grants = [TokenGrant.parse(text) for text in options.grant_token]
    if options.grant_token_file:
        grants += _grants_in(user_path(options.grant_token_file))
    members: list[Authenticator] = []
    if grants:
        members.append(TokenAuthenticator(grants))
    if options.authorized_keys:
        store = AuthorizedKeysStore.from_file(user_path(options.authorized_keys))
        members.append(PublicKeyAuthenticator(store))
    if not members:
        raise ConfigException("nobody could log in: give --authorized-keys, --grant-token-file or --grant-token")
    return CompositeAuthenticator(members)


def _grants_in(path: Path) -> list[TokenGrant]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigException(f"cannot read the grants in {path}: {exc}") from exc
    grants = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            try:
                grants.append(TokenGrant.parse(line.strip()))
            except ConfigException as exc:
                raise ConfigException(f"{path} line {number}: {exc}") from exc
    return grants


def _state_dir(options: argparse.Namespace, cert: Path) -> Path:
    """The hub's own directory; by default one for each hub key, so that two hubs of a user do not mix."""
    if options.state_dir:
        return user_path(options.state_dir)
    if not cert.is_file():
        raise ConfigException(f"--cert: there is no file {cert}; `omnyshell cert gen --out DIR` makes one")
    identity = hashlib.sha256(spki_sha256_of_der(leaf_of_chain(cert))).hexdigest()[:16]
    return state_dir() / "hubs" / identity
