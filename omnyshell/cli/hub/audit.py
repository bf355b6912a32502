"""`omnyshell audit list`, `export`, `verify` and `head`: the trail of a hub on this machine."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from omnyshell.cli.ground.output import say, say_json
from omnyshell.cli.hub.state import state_directory
from omnyshell.clock import SystemClock
from omnyshell.errors import AuthException, ConfigException
from omnyshell.model.admin import AuditEntry
from omnyshell.model.audit import AuditRecord
from omnyshell.paths import user_path
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey
from omnyshell.services.hub.audit.against import Against, hold_against
from omnyshell.services.hub.audit.chain import HEAD, ChainedRecord, Seal
from omnyshell.services.hub.audit.heads_of_others import HeadsOfOthers
from omnyshell.services.hub.audit.query import AuditQuery, find_records, parse_moment, verify_trail
from omnyshell.services.hub.audit.sinks import export_line
from omnyshell.services.hub.audit.store import AuditReader
from omnyshell.services.hub.audit.witness import read_noted
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile
from omnyshell.services.hub.ground.state_names import AUDIT_FILE, AUDIT_KEY_FILE as KEY_FILE

TAMPERED = 1
"""Exit code of `verify` if the trail was tampered with."""

FOLLOW_PERIOD = 0.2


def list_records(options: argparse.Namespace) -> int:
    """Print the matching records, and with --follow new ones as they come."""
    show = _print_json if options.json else _print_line
    with AuditReader(state_directory(options) / AUDIT_FILE) as reader:
        for chained, record in _wanted(reader, options):
            show(chained, record)
    return 0


def export(options: argparse.Namespace) -> int:
    """Write the matching records as JSON lines, each with its hash and the previous hash."""
    with AuditReader(state_directory(options) / AUDIT_FILE) as reader:
        for chained, _ in find_records(reader, _query(options)):
            sys.stdout.buffer.write(export_line(chained) + b"\n")
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check the whole trail; print what is wrong, and exit with 1 if something is."""
    directory = state_directory(options)
    key = _public_key(options, directory)
    noted = read_noted(directory / STATE_FILE)
    report = verify_trail(directory / AUDIT_FILE, key, _known(options), noted)
    compared = [(name, _hold_against(directory, name, key)) for name in options.against or ()]
    findings = [*report.findings, *(finding for _, against in compared for finding in against.findings)]
    for finding in findings:
        say(f"{finding.kind}: {finding.text}")
    for name, against in compared:
        say(f"held against {name}: {_told(against)}")
    span = f"{report.records} records"
    if report.anchor is not None:
        span += f", from {report.anchor.seq + 1} on (retention removed those before, and signed that)"
    if findings:
        is_whole = all(finding.kind == "unproven" for finding in findings)
        verdict = "whole, AND NOT PROVEN to be what was noted" if is_whole else "THIS IS NOT WHAT THE HUB WROTE"
        say(f"{span}: {verdict}")
        return TAMPERED
    end = f", last {report.head.seq}:{report.head.hash.hex()}" if report.head is not None else ""
    say(f"{span}: whole{end}")
    return 0


def _hold_against(directory: Path, name: str, key: Ed25519PublicKey) -> Against:
    try:
        with user_path(name).open("rb") as lines:
            return hold_against(directory / AUDIT_FILE, lines, name, key)
    except OSError as exc:
        raise ConfigException(f"cannot read {name}: {exc.strerror}") from exc


def _told(against: Against) -> str:
    trimmed = f", {against.trimmed} of which retention has removed since" if against.trimmed else ""
    return f"{against.records} records{trimmed}, {against.heads} signed heads among them"


def head(options: argparse.Namespace) -> int:
    """Print the head of the trail and its signing key: kept elsewhere, they prove what the trail contained."""
    directory = state_directory(options)
    if options.of:
        return _print_heads_of(options.of, directory)
    with AuditReader(directory / AUDIT_FILE) as reader:
        end = reader.seal(HEAD)
    if end is None:
        raise ConfigException("the trail has no signed end")
    say_json(_plain(end, _public_key(options, directory)), indent=None)
    return 0


def _print_heads_of(hub: str, directory: Path) -> int:
    """Print what another hub has told of where its trail ends, a line each, for `audit verify --against` there."""
    with closing(StateFile(directory / STATE_FILE)) as file:
        known = HeadsOfOthers(file).of(hub)
    if not known:
        raise ConfigException(f"hub '{hub}' has told this one nothing of its audit trail")
    for kept in known:
        mark = kept.seal
        say_json({"of": hub, **_plain(mark, kept.head.key)}, indent=None)
    return 0


def _plain(mark: Seal, key: Ed25519PublicKey) -> dict[str, object]:
    return {
        "seq": mark.seq,
        "hash": mark.hash.hex(),
        "at": mark.at,
        "signature": mark.signature.hex(),
        "publicKey": key.to_base64(),
    }


def _wanted(reader: AuditReader, options: argparse.Namespace) -> Iterator[tuple[ChainedRecord, AuditRecord]]:
    query = _query(options)
    last = 0
    while True:
        for chained, record in find_records(reader, query, last):
            last = chained.seq
            yield chained, record
        if not options.follow:
            return
        sys.stdout.flush()
        time.sleep(FOLLOW_PERIOD)
        reader.refresh()


def _query(options: argparse.Namespace) -> AuditQuery:
    since = parse_moment(options.since, "--since", SystemClock()) if options.since else None
    return AuditQuery(since, options.action or "", options.principal or "", options.node or "")


def _print_json(chained: ChainedRecord, _record: AuditRecord) -> None:
    sys.stdout.buffer.write(export_line(chained) + b"\n")


def _print_line(chained: ChainedRecord, record: AuditRecord) -> None:
    say(line_of(f"{chained.seq:>7}", record))


def line_of(place: str, record: AuditRecord | AuditEntry) -> str:
    """Return a record for people, with its place before it."""
    where = " ".join(
        f"{label}={value}"
        for label, value in (
            ("node", record.node_id),
            ("session", record.session_id),
            ("command", record.command),
            ("reason", record.reason),
            ("detail", record.detail),
        )
        if value
    )
    at = record.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    who = f"{record.principal or '-'}@{record.address or '-'}" if record.principal or record.address else "-"
    return f"{place}  {at}  {record.outcome:<6}  {record.action:<18}  {who}  {where}".rstrip()


def _public_key(options: argparse.Namespace, directory: Path) -> Ed25519PublicKey:
    if getattr(options, "public_key", None):
        try:
            return Ed25519PublicKey.from_base64(options.public_key)
        except AuthException as exc:
            raise ConfigException("--public-key: that is no Ed25519 key in base64") from exc
    path = directory / KEY_FILE
    if not os.access(path, os.R_OK):
        raise ConfigException(f"cannot read {path}; give --public-key, which `omnyshell audit head` prints")
    return Ed25519PrivateKey.load(path).public_key


def _known(options: argparse.Namespace) -> tuple[int, str] | None:
    if not options.expect:
        return None
    seq, _, hash_ = options.expect.partition(":")
    if not seq.isdigit() or len(hash_) != 64:
        raise ConfigException("--expect is NUMBER:HASH, as `omnyshell audit verify` or `head` printed it")
    return int(seq), hash_.lower()
