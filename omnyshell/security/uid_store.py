"""The UID that a node or hub had at its last start, and earlier ones (docs/protocol.md#uids)."""

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from omnyshell.clock import Clock
from omnyshell.errors import ConfigException, ProtocolException
from omnyshell.ids import NodeId, is_node_id
from omnyshell.model.grammars import UID
from omnyshell.model.schema import WireObject
from omnyshell.paths import read_file
from omnyshell.security.files import write_private
from omnyshell.security.identity import OmnyUid

_LOG = logging.getLogger(__name__)

MAX_RETIRED = 100
"""How many earlier UIDs are kept: a machine whose name changes with every lease must not fill the disk."""


class RetiredUid(WireObject, kw_only=True):
    """A UID that was in force before the key or the machine changed."""

    uid: Annotated[str, UID]
    computed_at: datetime
    retired_at: datetime


class UidRecord(WireObject, kw_only=True):
    """What the file holds; `retired` is oldest first, each UID once."""

    uid: Annotated[str, UID]
    computed_at: datetime
    retired: tuple[RetiredUid, ...] = ()


@dataclass(frozen=True, slots=True)
class UidResolution:
    """The UID in force; `previous` is the one that it replaced, where it `changed`."""

    uid: OmnyUid
    changed: bool
    previous: OmnyUid | None


class UidStore:
    """One file for one node id or for the hub."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    @classmethod
    def for_node(cls, directory: Path, node_id: NodeId, clock: Clock) -> Self:
        """The store of a node in its state directory. Raises `ValueError` for an id that is not well formed."""
        return cls(cls.path_for_node(directory, node_id), clock)

    @staticmethod
    def path_for_node(directory: Path, node_id: NodeId) -> Path:
        """The path of a node's file, which exists once the node has run. Raises `ValueError` for a malformed id."""
        if not is_node_id(node_id):
            raise ValueError(f"not a node id: {node_id!r}")
        return directory / f"uid-node-{node_id}.json"

    @classmethod
    def for_hub(cls, directory: Path, clock: Clock) -> Self:
        """The store of a hub in its state directory."""
        return cls(directory / "uid-hub.json", clock)

    def resolve(self, computed: OmnyUid) -> UidResolution:
        """Compare the UID that was just computed with the one on record, and put it on record.

        A change is logged as a warning. Raises `ConfigException` naming the file when it is damaged, or cannot be
        read or written.
        """
        record = self.read()
        if record is None:
            self._write(UidRecord(uid=computed.value, computed_at=self._clock.now()))
            return UidResolution(computed, changed=False, previous=None)
        if record.uid == computed.value:
            return UidResolution(computed, changed=False, previous=None)
        self._write(_succeed(record, computed, self._clock.now()))
        _LOG.warning(
            "UID CHANGED from %s to %s: the key, the certificate or the machine is another one than before (%s)",
            record.uid,
            computed,
            self._path,
        )
        return UidResolution(computed, changed=True, previous=OmnyUid(record.uid))

    def read(self) -> UidRecord | None:
        """Return what is on record; None before the first start. Raises `ConfigException`."""
        try:
            data = json.loads(read_file(self._path))
            record = UidRecord.from_wire(data if isinstance(data, dict) else {})
            OmnyUid(record.uid)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise ConfigException(f"cannot read {self._path}: {exc.strerror}") from exc
        except (ValueError, RecursionError, ProtocolException) as exc:
            raise ConfigException(f"{self._path} is damaged: move it away, and a new one is written") from exc
        return record

    def _write(self, record: UidRecord) -> None:
        write_private(self._path, json.dumps(record.to_wire(), indent=2).encode() + b"\n")


def _succeed(record: UidRecord, computed: OmnyUid, now: datetime) -> UidRecord:
    """The record after a change; a UID that comes back is no longer retired."""
    leaving = RetiredUid(uid=record.uid, computed_at=record.computed_at, retired_at=now)
    retired = [old for old in record.retired if old.uid not in (record.uid, computed.value)]
    return UidRecord(uid=computed.value, computed_at=now, retired=(*retired, leaving)[-MAX_RETIRED:])
