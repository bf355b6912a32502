"""`omnyshell hub backup` and `hub restore`."""

import argparse
import os
from pathlib import Path

from omnyshell.cli.ground.output import complain, say
from omnyshell.cli.ground.prompts import ask_exactly, new_passphrase
from omnyshell.cli.hub.state import hub_options, local_user, state_directory
from omnyshell.clock import SystemClock
from omnyshell.errors import ConfigException
from omnyshell.paths import state_dir, user_path
from omnyshell.security.sealed_stream import (
    Lock,
    Passphrase,
    Recipient,
    RecipientKey,
    Unlock,
    check_kind,
    make_recipient,
)
from omnyshell.security.uid_store import UidStore
from omnyshell.services.client.passphrases import as_bytes, read_line
from omnyshell.services.hub.backup.archive import CONFIG, SETTINGS, Manifest
from omnyshell.services.hub.backup.backup import BackupFile, back_up as make_backup
from omnyshell.services.hub.backup.options import FILE_OPTIONS, VARIABLE
from omnyshell.services.hub.backup.restore import Target, restore

OTHERWISE = f"give the passphrase in a file with --passphrase-file, or in {VARIABLE}"


def back_up(options: argparse.Namespace) -> int:
    """Write a backup, or a key for backups."""
    if options.make_key:
        public = make_recipient(user_path(options.make_key))
        complain(
            f"key          {options.make_key}  to restore with: --key; keep it off the hub. For `hub backup --to`:"
        )
        say(public)
        return 0
    if not options.file:
        raise ConfigException("name the file to write: omnyshell hub backup FILE")
    directory, settings = state_directory(options), _settings(options)
    target = BackupFile(user_path(options.file), _lock(options), replace=options.force, by=local_user())
    manifest = make_backup(directory, settings, target, SystemClock())
    _tell(manifest, f"wrote {target.path}, a backup of {directory}, signed by {manifest.maker.uid}")
    before = UidStore.for_hub(directory, SystemClock()).read()
    if before is not None and before.uid != manifest.maker.uid:
        complain(f"the hub was {before.uid} when it started last: its key, or this machine's name, has changed")
    return 0


def restore_hub(options: argparse.Namespace) -> int:
    """Make a state directory from a backup."""
    source, state = user_path(options.file), user_path(options.state_dir)
    out = user_path(options.out) if options.out else None
    target = Target(state, out, replace=options.force)
    unlock = _unlock(options, source)
    done = restore(source, unlock, target, SystemClock(), expected=options.hub or "", by=local_user())
    manifest = done.manifest
    _tell(manifest, f"restored {state} from the backup of {manifest.created_at}, made by {manifest.maker.uid}")
    for kept in done.kept:
        say(f"the files that were there are in {kept}")
    if out is not None:
        has_paths = any(member.name == CONFIG + SETTINGS["config"] for member in manifest.files)
        look = f": look over the paths in {SETTINGS['config']}" if has_paths else ""
        say(f"configuration and certificates are in {out}{look}")
    elif any(member.name.startswith(CONFIG) for member in manifest.files):
        say("configuration and certificates stayed in the backup: --out DIR writes them too")
    return 0


def _tell(manifest: Manifest, what: str) -> None:
    for member in manifest.files:
        say(f"{member.size:>12}  {member.name}")
    say(what)


def _settings(options: argparse.Namespace) -> dict[str, Path]:
    """The files that the hub's options name, by option; for the hub of `up`, the files that it made."""
    given = {option.key: str(value) for option in FILE_OPTIONS if (value := getattr(options, option.key))}
    if options.hub_config:
        words = [f"--{key.replace('_', '-')}={value}" for key, value in given.items()]
        hub = hub_options(options, *words)
        given = {key: str(value) for key in SETTINGS if (value := getattr(hub, key))}
    elif not given and state_directory(options) == state_dir() / "local" / "hub":
        certificates = state_dir() / "local" / "certs"
        keys = ("cert", "key", "tunnel_cert", "tunnel_key")
        given = {key: str(certificates / SETTINGS[key]) for key in keys if (certificates / SETTINGS[key]).exists()}
    return {key: user_path(value) for key, value in given.items()}


def _lock(options: argparse.Namespace) -> Lock:
    if options.to:
        return Recipient.read(options.to)
    return Passphrase(_given_passphrase(options) or as_bytes(new_passphrase("the backup", OTHERWISE)))


def _unlock(options: argparse.Namespace, source: Path) -> Unlock:
    try:
        with source.open("rb") as file:
            # Checked before the passphrase prompt, as a backup for a key needs none.
            check_kind(file.read(64), RecipientKey.kind if options.key else Passphrase.kind)
    except OSError as exc:
        raise ConfigException(f"cannot read {source}: {exc.strerror}") from exc
    if options.key:
        return RecipientKey.load(user_path(options.key))
    return Passphrase(_given_passphrase(options) or as_bytes(ask_exactly("Passphrase of the backup: ", OTHERWISE)))


def _given_passphrase(options: argparse.Namespace) -> bytes | None:
    if options.passphrase_file:
        return read_line(user_path(options.passphrase_file))
    given = os.environ.get(VARIABLE)
    return as_bytes(given) if given else None
