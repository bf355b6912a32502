"""Hub and node as jobs of macOS's launchd; see `launchd.plist(5)` and `launchctl(1)`."""

import os
import plistlib
import subprocess
from pathlib import Path

from omnyshell.cli.ground.output import say
from omnyshell.cli.service.plan import Kind, Plan
from omnyshell.errors import ConfigException
from omnyshell.security.files import write_private

JOB_MODE = 0o644


def label_of(kind: Kind) -> str:
    """Return what launchd calls the job."""
    return f"dev.omnyshell.{kind.value}"


def path_of(kind: Kind, *, is_users: bool) -> Path:
    """Return where the job's property list lies."""
    place = Path.home() / "Library/LaunchAgents" if is_users else Path("/Library/LaunchDaemons")
    return place / f"{label_of(kind)}.plist"


def log_of(kind: Kind, *, is_users: bool) -> Path:
    """Return the file that the job logs to."""
    place = Path.home() / "Library/Logs" if is_users else Path("/Library/Logs")
    return place / f"omnyshell-{kind.value}.log"


def text_of(plan: Plan) -> str:
    """Return the job of a service. There is no keeper on macOS: a node ends its sessions when it ends."""
    words = [*plan.program, plan.kind.value, "start", "--config", str(plan.config)]
    words += ["--retry-refused"] if plan.kind is Kind.NODE else []
    log = str(log_of(plan.kind, is_users=plan.is_users))
    described = {
        "Label": label_of(plan.kind),
        "ProgramArguments": words,
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 5,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return plistlib.dumps(described).decode()


def show(plan: Plan) -> None:
    """Print the file under its name, as it would be written."""
    say(f"# {path_of(plan.kind, is_users=plan.is_users)}")
    for line in text_of(plan).splitlines():
        say(line)


def install(plan: Plan) -> None:
    """Write the job and load it; one that is loaded is replaced. Raises `ConfigException`."""
    path = path_of(plan.kind, is_users=plan.is_users)
    _launchctl("bootout", f"{_domain(is_users=plan.is_users)}/{label_of(plan.kind)}")
    try:
        write_private(path, text_of(plan).encode())
        path.chmod(JOB_MODE)
    except OSError as exc:
        raise ConfigException(f"cannot write {path}: {exc.strerror}") from exc
    if _launchctl("bootstrap", _domain(is_users=plan.is_users), str(path)):
        raise ConfigException(f"launchd does not take {path}: see {log_of(plan.kind, is_users=plan.is_users)}")
    say(f"{plan.name} runs, and starts with {'your login' if plan.is_users else 'the machine'}")


def uninstall(kind: Kind, *, is_users: bool) -> int:
    """Stop the job and remove its file."""
    path = path_of(kind, is_users=is_users)
    _launchctl("bootout", f"{_domain(is_users=is_users)}/{label_of(kind)}")
    path.unlink(missing_ok=True)
    say(f"removed {path}; configuration, keys and state are left")
    return 0


def status(kind: Kind, *, is_users: bool) -> int:
    """Print what launchd knows; returns its exit code."""
    return _launchctl("print", f"{_domain(is_users=is_users)}/{label_of(kind)}", is_shown=True)


def logs(kind: Kind, *, is_users: bool, follow: bool, count: int) -> int:
    """Print what the job logged."""
    words = ["tail", "-n", str(count), *(["-f"] if follow else []), str(log_of(kind, is_users=is_users))]
    return subprocess.run(words, check=False).returncode  # noqa: S603


def _domain(*, is_users: bool) -> str:
    return f"gui/{os.geteuid()}" if is_users else "system"


def _launchctl(*words: str, is_shown: bool = False) -> int:
    streams = None if is_shown else subprocess.DEVNULL
    return subprocess.run(["launchctl", *words], stdout=streams, stderr=streams, check=False).returncode  # noqa: S603, S607
