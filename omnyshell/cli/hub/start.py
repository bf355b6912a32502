"""`omnyshell hub start`."""

import argparse
import asyncio
import hashlib
import logging
from pathlib import Path

from omnyshell.cli.grammar.commands import HUB_START
from omnyshell.cli.grammar.parsing import parse
from omnyshell.cli.ground.garbage import collect_in_steps
from omnyshell.cli.ground.loop import run
from omnyshell.cli.ground.notify import ServiceManager
from omnyshell.cli.ground.output import announce, complain, describe
from omnyshell.cli.ground.service import allow_many_descriptors, set_up_logging, tune_memory, watch_signals
from omnyshell.cli.ground.strict_files import check_files, strict_modes
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.options.values import read, settings
from omnyshell.paths import read_file, state_dir, user_path
from omnyshell.security.authenticators import (
    Authenticator,
    CompositeAuthenticator,
    PublicKeyAuthenticator,
    TokenAuthenticator,
    TokenGrant,
)
from omnyshell.security.authorized_keys import AuthorizedKeysStore
from omnyshell.security.certificates import spki_sha256_of_der
from omnyshell.services.client.access import read_token
from omnyshell.services.hub.audit.log import log_record
from omnyshell.services.hub.ground.certificate import load_pair
from omnyshell.services.hub.ground.cluster_settings import is_one_of_several
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.watched_files import WatchedFiles
from omnyshell.services.hub.hub import OmnyShellHub
from omnyshell.services.hub.options import OPTIONS

logger = logging.getLogger("omnyshell.hub")


def start(options: argparse.Namespace) -> int:
    """Serve a hub until a signal ends it."""
    tune_memory()
    allow_many_descriptors()
    set_up_logging(options.log_level, options.log_format)
    return run(_serve(options))


def config_from(options: argparse.Namespace) -> HubConfig:
    """Return the hub's settings. Raises `ConfigException` for an option that is wrong."""
    strict = strict_modes(options)
    check_files(strict, options, OPTIONS)
    said = settings(vars(options), OPTIONS, HubConfig)
    directory = state_dir_from(options)
    strict.check_tree(directory)
    authenticator, watched = _authenticator(options, is_alone=not is_one_of_several(directory))
    return HubConfig(
        **said
        | {
            "state_dir": directory,
            "strict_modes": strict,
            "authenticator": authenticator,
            "watched": watched,
            "metrics_token": _metrics_token(options),
        }
    )


async def _serve(options: argparse.Namespace) -> int:
    manager = ServiceManager()
    config = config_from(options)
    hub = OmnyShellHub(config)
    hub.audit.add_sink(log_record)
    collecting = asyncio.create_task(collect_in_steps())
    async with hub:
        stopped = watch_signals(lambda: _reload(hub, options.words))
        host = config.host or "0.0.0.0"  # noqa: S104
        line = f"hub listens on wss://{f'[{host}]' if ':' in host else host}:{hub.port}"
        if "stdout" in config.audit_sinks:
            # The log goes to stderr; only audit records go to this stream.
            complain(line)
        else:
            announce(line)
        async with manager.told():
            await stopped.wait()
    collecting.cancel()
    return 0


def _reload(hub: OmnyShellHub, words: list[str]) -> None:
    """Read all settings again, with the configuration file; on a mistake, keep the present ones."""
    try:
        options = parse(HUB_START, words)
        waits = hub.reload(config_from(options))
    except (OmnyShellException, SystemExit) as exc:
        # The parser raises SystemExit if an option is missing.
        why = describe(exc) if isinstance(exc, OmnyShellException) else "an option is missing"
        logger.error("not reloaded, everything goes on as before: %s", why)
        hub.audit.record("hub.reload", "error", reason=why)
        return
    logging.getLogger().setLevel(options.log_level.upper())
    logger.info("reloaded%s", f"; only a restart changes {', '.join(waits)}" if waits else "")


def _authenticator(options: argparse.Namespace, *, is_alone: bool) -> tuple[Authenticator, tuple[WatchedFiles, ...]]:
    """Return the authenticator, and the files that it reads anew when they change.

    A hub that is one of several needs none of them: it learns from the others who may log in.
    """
    grants = read(vars(options), "grant_token", lambda texts: [TokenGrant.parse(text) for text in texts])
    members: list[Authenticator] = []
    watched = []
    if options.grant_token_file:
        granted = user_path(options.grant_token_file)
        tokens = TokenAuthenticator(grants + _grants_in(granted))
        members.append(tokens)
        watched.append(WatchedFiles((granted,), lambda: tokens.replace(grants + _grants_in(granted))))
    elif grants:
        members.append(TokenAuthenticator(grants))
    if options.authorized_keys:
        keys = user_path(options.authorized_keys)
        store = read(vars(options), "authorized_keys", lambda _: AuthorizedKeysStore.from_file(keys))
        members.append(PublicKeyAuthenticator(store))
        watched.append(WatchedFiles((keys,), store.reload))
    if not members and is_alone:
        raise ConfigException("nobody could log in: give --authorized-keys, --grant-token-file or --grant-token")
    return CompositeAuthenticator(members), tuple(watched)


def _metrics_token(options: argparse.Namespace) -> str | None:
    if not options.metrics_token_file:
        return None
    return read(vars(options), "metrics_token_file", lambda text: read_token(user_path(text)))


def _grants_in(path: Path) -> list[TokenGrant]:
    try:
        lines = read_file(path).decode().splitlines()
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


def state_dir_from(options: argparse.Namespace) -> Path:
    """Return the hub's state directory; the default depends on the hub's key, so that two hubs of a user do not mix."""
    if options.state_dir:
        return user_path(options.state_dir)
    leaf = load_pair(user_path(options.cert), user_path(options.key)).chain[0]
    identity = hashlib.sha256(spki_sha256_of_der(leaf)).hexdigest()[:16]
    return state_dir() / "hubs" / identity
