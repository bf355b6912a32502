"""Who a hub is among several, in files of its state directory."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.paths import read_file
from omnyshell.security.files import changing, make_private_directory, write_private
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey
from omnyshell.services.hub.cluster.members.engine_access import EngineKeys
from omnyshell.services.hub.cluster.members.engine_users import EngineUsers
from omnyshell.services.hub.ground.state_names import CLUSTER_DIRECTORY, CLUSTER_FILE, ENGINE_KEYS

HUB_KEY, ENGINE_KEY, ENGINE_TOKEN, WATCH_TOKEN = "hub.key", "engine.key", "engine.jwt", "engine-watch.jwt"
ENGINE_CONFIG, ENGINE_USERS = "engine.conf", "engine-users.json"


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a hub knows of its cluster."""

    cluster: str
    """The cluster's id, which no other one has."""

    generation: str
    """Which of the cluster's logs counts: another one begins where a copy is restored."""

    hub: str
    founder: str
    """The hub that began the generation."""

    founder_key: bytes
    engine: tuple[str, ...]
    """The URLs of the engine's servers."""

    founded_at: datetime
    is_founding: bool = False
    """Whether this hub has yet to make the generation's streams, and to write what it holds into them."""

    restored: str = ""
    """The generation in whose place that one comes, until it is there."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A hub's identity, with the keys that prove it."""

    identity: Identity
    key: Ed25519PrivateKey
    """Signs what the hub writes."""

    engine_key: Ed25519PrivateKey
    """Logs in at the engine, and signs nothing else: its servers choose what it signs."""

    engine_token: str
    watch_token: str
    """Asks the engine's servers how they store, with the same key."""

    @property
    def founder(self) -> tuple[str, Ed25519PublicKey]:
        """The hub that began the generation, and its key."""
        return self.identity.founder, Ed25519PublicKey(self.identity.founder_key)


class ClusterFiles:
    """The files below a state directory; all methods raise `ConfigException` where one cannot be used."""

    def __init__(self, state_dir: Path) -> None:
        self.directory = state_dir / CLUSTER_DIRECTORY

    def exist(self) -> bool:
        """Tell whether the hub is one of several."""
        return (self.directory / CLUSTER_FILE).exists()

    def read(self) -> Standing:
        """Return who the hub is."""
        path = self.directory / CLUSTER_FILE
        if not self.directory.exists():
            text = "`omnyshell cluster init` makes it the first of several, `omnyshell hub join` a further one"
            raise ConfigException(f"the hub in {self.directory.parent} is alone: {text}")
        try:
            identity = msgspec.json.decode(read_file(path), type=Identity)
            tokens = [read_file(self.directory / name).decode().strip() for name in (ENGINE_TOKEN, WATCH_TOKEN)]
        except (OSError, ValueError, msgspec.MsgspecError) as exc:
            raise ConfigException(f"cannot read who this hub is among others, in {self.directory}: {exc}") from exc
        key, engine_key = (Ed25519PrivateKey.load(self.directory / name) for name in (HUB_KEY, ENGINE_KEY))
        return Standing(identity, key, engine_key, *tokens)

    def write(self, standing: Standing) -> None:
        """Write who the hub is; what says that it is one of several comes last."""
        make_private_directory(self.directory)
        standing.key.save(self.directory / HUB_KEY, overwrite=True)
        standing.engine_key.save(self.directory / ENGINE_KEY, overwrite=True)
        write_private(self.directory / ENGINE_TOKEN, standing.engine_token.encode() + b"\n")
        write_private(self.directory / WATCH_TOKEN, standing.watch_token.encode() + b"\n")
        self.write_identity(standing.identity)

    def write_identity(self, identity: Identity) -> None:
        """Write what the hub knows of its cluster."""
        shown = msgspec.json.format(msgspec.json.encode(identity), indent=2)
        write_private(self.directory / CLUSTER_FILE, shown + b"\n")

    def write_engine_keys(self, keys: EngineKeys) -> None:
        """Write the keys from which credentials come."""
        make_private_directory(self.directory)
        for name, key in zip(ENGINE_KEYS, keys, strict=True):
            key.save(self.directory / name)

    def write_engine_config(self, config: str) -> None:
        """Write what the engine's servers need to know hubs."""
        write_private(self.directory / ENGINE_CONFIG, config.encode())

    def read_engine_users(self) -> EngineUsers:
        """Return whose credentials there are; call it at the founder."""
        path = self.directory / ENGINE_USERS
        try:
            return msgspec.json.decode(read_file(path), type=EngineUsers)
        except (OSError, msgspec.MsgspecError) as exc:
            raise ConfigException(f"cannot read {path}: {exc}") from exc

    def write_engine_users(self, users: EngineUsers) -> None:
        """Write whose credentials there are."""
        write_private(self.directory / ENGINE_USERS, msgspec.json.format(msgspec.json.encode(users), indent=2) + b"\n")

    @contextmanager
    def changing_engine_users(self) -> Iterator[EngineUsers]:
        """Yield whose credentials there are, and write what they are then; the hub and commands beside it wait here."""
        with changing(self.directory / ENGINE_USERS):
            users = self.read_engine_users()
            yield users
            self.write_engine_users(users)

    @property
    def has_founded(self) -> bool:
        """Whether the keys from which credentials come are here."""
        return (self.directory / ENGINE_KEYS[0]).exists()

    def remove(self) -> None:
        """Forget who the hub is among others, what says that it is one of several first. Idempotent."""
        try:
            (self.directory / CLUSTER_FILE).unlink(missing_ok=True)
            if self.directory.exists():
                shutil.rmtree(self.directory)
        except OSError as exc:
            raise ConfigException(f"cannot remove {self.directory}: {exc.strerror}") from exc

    def read_engine_keys(self) -> EngineKeys:
        """Return those keys, which only the founder has."""
        if not self.has_founded:
            raise ConfigException("this hub cannot invite others: the hub that founded the cluster does")
        return EngineKeys(*(Ed25519PrivateKey.load(self.directory / name) for name in ENGINE_KEYS))
