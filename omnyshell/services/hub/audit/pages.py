"""Pages of a trail on disk, each of bounded length and cost."""

import sqlite3
from pathlib import Path
from typing import NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.model.audit import AuditRecord
from omnyshell.services.hub.audit.chain import read_record
from omnyshell.services.hub.audit.query import AuditQuery
from omnyshell.services.hub.audit.store import AuditReader

MOST_READ = 20_000
"""Records that are looked at for a page."""

LARGEST = 256 * 1024
"""Bytes of the records of a page, about."""


class Page(NamedTuple):
    """What was found."""

    records: list[AuditRecord]
    after: int
    """The last number that was looked at."""

    is_last: bool
    """Whether there is no more for now."""


def read_page(path: Path, query: AuditQuery, after: int) -> Page:
    """Return the matching records behind a number, oldest first. Raises `ConfigException` if the trail is damaged."""
    found: list[AuditRecord] = []
    size, end = 0, after + MOST_READ
    try:
        with AuditReader(path) as reader:
            for chained in reader.records(after):
                record = read_record(chained)
                if record is not None and query.matches(record):
                    found.append(record)
                    size += len(chained.text)
                after = chained.seq
                if size >= LARGEST or after >= end:
                    return Page(found, after, is_last=False)
    except sqlite3.Error as exc:
        raise ConfigException(f"the audit trail is damaged: {exc}") from exc
    return Page(found, after, is_last=True)
