"""Services under systemd, by `systemctl` and `journalctl`."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from omnyshell.cli.ground.output import complain, say
from omnyshell.cli.service import pam
from omnyshell.cli.service.plan import Kind, Plan
from omnyshell.cli.service.systemd_units import KEEPER, Unit, units_of
from omnyshell.errors import ConfigException
from omnyshell.paths import read_file
from omnyshell.security.files import write_private

MACHINES = Path("/etc/systemd/system")
PACKAGES = Path("/lib/systemd/system")
"""Where a package of the system has its units."""

FILE_MODE = 0o644


def directory(*, is_users: bool) -> Path:
    """Return where units lie."""
    if not is_users:
        return MACHINES
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "systemd/user"


def show(plan: Plan) -> None:
    """Print each file under its name, as it would be written."""
    texts = {directory(is_users=plan.is_users) / unit.name: unit.text for unit in units_of(plan)}
    path = pam.path_for(plan)
    if path is not None and not pam.is_changed(path):
        texts[path] = pam.text_of(path.parent)
    for place, text in texts.items():
        say(f"# {place}")
        for line in text.splitlines():
            say(line)


def install(plan: Plan) -> None:
    """Write the units, and have them started now and at each start of the machine. To do it again changes nothing.

    Raises `ConfigException` where another configuration is installed already, or systemd refuses.
    """
    units, place = units_of(plan), directory(is_users=plan.is_users)
    _check_rights(is_users=plan.is_users)
    _check_free(plan, place)
    if not plan.is_users:
        _make_user(plan.user)
        _check_runnable(plan)
        _check_readable(plan)
    _install_pam(plan)
    changed = [unit for unit in units if not _is_packaged(unit, plan) and _write(place / unit.name, unit.text)]
    names = [unit.name for unit in units]
    _systemctl("daemon-reload", is_users=plan.is_users)
    _systemctl("enable", *names, is_users=plan.is_users)
    # A keeper that runs is left alone: it holds sessions, and upgrades itself.
    running = [unit.name for unit in units if not unit.name.startswith(KEEPER) or not _is_active(unit.name, plan)]
    try:
        _systemctl("restart" if changed else "start", *running, is_users=plan.is_users)
    except ConfigException as exc:
        see = f"omnyshell service logs {plan.kind.value}{' --user' if plan.is_users else ''}"
        raise ConfigException(f"it is installed, but does not start: see `{see}`") from exc
    say(f"{plan.name} runs, and starts with {'your first login' if plan.is_users else 'the machine'}")
    if plan.is_users and not _lingers():
        say("to have it run before you log in, and after you log out: loginctl enable-linger")


def uninstall(kind: Kind, *, is_users: bool) -> int:
    """Stop and remove the units; sessions that a keeper holds are left to it, and to `omnyshell keeper stop`."""
    place = directory(is_users=is_users)
    names = _units_of(kind)
    written = [name for name in names if (place / name).exists()]
    packaged = [name for name in names if not is_users and (PACKAGES / name).exists()]
    if not (written or packaged):
        say(f"omnyshell-{kind.value} is not installed")
        return 0
    _check_rights(is_users=is_users)
    _systemctl("disable", "--now", *{*written, *packaged}, is_users=is_users)
    for name in written:
        (place / name).unlink(missing_ok=True)
    _systemctl("daemon-reload", is_users=is_users)
    if kind is Kind.NODE and not is_users:
        _remove_pam()
    done = f"removed {', '.join(written)}" if written else f"stopped {', '.join(packaged)}, which the package has"
    say(f"{done}; configuration, keys and state are left")
    return 0


def status(kind: Kind, *, is_users: bool) -> int:
    """Print what systemd knows; returns its exit code: 0 runs, 3 does not, 4 is not installed."""
    return _run(["systemctl", *_scope(is_users=is_users), "status", "--no-pager", "--lines=5", *_units_of(kind)])


def logs(kind: Kind, *, is_users: bool, follow: bool, count: int) -> int:
    """Print what the service logged, and for a node also its keeper: why that does not start is said nowhere else."""
    option = "--user-unit" if is_users else "--unit"
    units = [f"{option}={name}" for name in _units_of(kind)]
    words = ["journalctl", *units, f"--lines={count}", "--output=cat", "--no-pager"]
    return _run([*words, *(["--follow"] if follow else [])])


def _units_of(kind: Kind) -> list[str]:
    """Return the names of the units that a service has."""
    return [f"omnyshell-{kind.value}.service", *([f"{KEEPER}.service"] if kind is Kind.NODE else [])]


def _check_rights(*, is_users: bool) -> None:
    if not is_users and os.geteuid() != 0:
        raise ConfigException("services of the machine are root's to install: use sudo, or --user for your own")


def _check_free(plan: Plan, place: Path) -> None:
    """Refuse to replace another node's or hub's service. Raises `ConfigException`."""
    path = place / f"{plan.name}.service"
    try:
        before = read_file(path)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise ConfigException(f"cannot read {path}: {exc.strerror}") from exc
    if str(plan.config).replace("%", "%%").encode() not in before:
        raise ConfigException(
            f"{path} is of another configuration: remove it first, by `omnyshell service uninstall {plan.kind.value}`"
        )


def _install_pam(plan: Plan) -> None:
    """Write PAM's file for sessions of users, where the machine has none. Raises `ConfigException`."""
    path = pam.path_for(plan)
    if path is not None and not path.exists() and _write(path, pam.text_of(path.parent)):
        say(f"wrote {path}")


def _remove_pam() -> None:
    """Remove PAM's file where it is the one that was written."""
    path = pam.SERVICES / pam.NAME
    if path.exists() and not pam.is_changed(path):
        path.unlink()


def _make_user(name: str) -> None:
    """Make the system user that the service runs as, if there is none of that name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        words = ["useradd", "--system", "--home-dir", f"/var/lib/{name}", "--shell", "/usr/sbin/nologin", name]
        _call(words)
        say(f"made the system user {name}")


def _check_runnable(plan: Plan) -> None:
    """Check that the service's user can run the program. Raises `ConfigException` that says where it has to be."""
    if not _may_run(plan.user, [*plan.program, "--version"]):
        raise ConfigException(
            f"the service runs as {plan.user}, who cannot run {plan.program[0]}: install it where everybody may read "
            "it, as `pipx install --global` does, or into a virtual environment below /opt"
        )


def _check_readable(plan: Plan) -> None:
    """Check that the service's user can read what it has to. Raises `ConfigException` that says how to let it."""
    hidden = [str(path) for path in plan.read_by_its_user if not _may_read(plan.user, path)]
    if hidden:
        files = " ".join(hidden)
        raise ConfigException(f"the service runs as {plan.user}, who cannot read {files}: chown {plan.user} {files}")


def _may_read(user: str, path: Path) -> bool:
    return _may_run(user, ["/usr/bin/test", "-r", str(path)])


def _may_run(user: str, words: Sequence[str]) -> bool:
    """Tell whether a program succeeds that a user of the system's runs."""
    who = pwd.getpwnam(user)
    try:
        done = subprocess.run(  # noqa: S603
            words, user=who.pw_uid, group=who.pw_gid, extra_groups=(), cwd="/", capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def _is_packaged(unit: Unit, plan: Plan) -> bool:
    """Whether the system's package has the very unit, and nothing stands in its place: then that one is used."""
    ours = PACKAGES / unit.name
    is_hidden = plan.is_users or (MACHINES / unit.name).exists()
    return not is_hidden and ours.exists() and read_file(ours) == unit.text.encode()


def _write(path: Path, text: str) -> bool:
    """Write a file of the system's; returns whether that changed anything."""
    data = text.encode()
    try:
        if path.exists() and read_file(path) == data:
            return False
        write_private(path, data)
        path.chmod(FILE_MODE)
    except OSError as exc:
        raise ConfigException(f"cannot write {path}: {exc.strerror}") from exc
    return True


def _is_active(name: str, plan: Plan) -> bool:
    words = ["systemctl", *_scope(is_users=plan.is_users), "is-active", "--quiet", name]
    return _found(words) and subprocess.run(words, check=False).returncode == 0  # noqa: S603


def _lingers() -> bool:
    return Path("/var/lib/systemd/linger", pwd.getpwuid(os.geteuid()).pw_name).exists()


def _systemctl(verb: str, *names: str, is_users: bool) -> None:
    _call(["systemctl", *_scope(is_users=is_users), verb, *names])


def _scope(*, is_users: bool) -> list[str]:
    return ["--user"] if is_users else []


def _call(words: Sequence[str]) -> None:
    """Run a program of the system. Raises `ConfigException` with its own words where it fails."""
    if not _found(words):
        raise ConfigException(f"{words[0]} is not there: does this machine run systemd?")
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
        raise ConfigException(f"{' '.join(words)}: {said}")


def _run(words: Sequence[str]) -> int:
    """Run a program of the system on this terminal; returns its exit code."""
    if not _found(words):
        complain(f"omnyshell: {words[0]} is not there: does this machine run systemd?")
        return 255
    return subprocess.run(words, check=False).returncode  # noqa: S603


def _found(words: Sequence[str]) -> bool:
    return shutil.which(words[0]) is not None
