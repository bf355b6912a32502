"""PAM's service file, for what a keeper of root's starts for users; see `pam.conf(5)`."""

from pathlib import Path

from omnyshell.cli.service.plan import Kind, Plan
from omnyshell.paths import read_file

SERVICES = Path("/etc/pam.d")
NAME = "omnyshell"

DATA = Path(__file__).with_name("pam.conf")
"""The file as Debian and its kin need it; others get it with the names of their own stacks."""

HEADER = "# Written by `omnyshell service install node`; `uninstall` removes it, unless it was changed.\n"

_PHASES = ("auth", "account", "session")
_STACKS = (
    tuple(f"common-{phase}" for phase in _PHASES),
    ("password-auth",) * 3,
    ("system-remote-login",) * 3,
    tuple(f"base-{phase}" for phase in _PHASES),
)
"""What the file can include, by phase: of Debian and SUSE, of Fedora and its kin, of Arch, of Alpine."""

_ITSELF = "required     pam_unix.so"


def text_of(services: Path) -> str:
    """Return the file that suits a directory of services."""
    text = HEADER + read_file(DATA).decode()
    own = next((each for each in _STACKS if all((services / name).exists() for name in each)), None)
    for phase, before, name in zip(_PHASES, _STACKS[0], own or _PHASES, strict=True):
        after = f"include      {name}" if own else _ITSELF
        text = text.replace(f"{phase:<10} include      {before}\n", f"{phase:<10} {after}\n")
    return text


def path_for(plan: Plan) -> Path | None:
    """Return the file that a service goes with; None for one whose sessions are one user's, or a system without PAM."""
    is_of_users = plan.kind is Kind.NODE and not plan.is_users and bool(plan.given.get("users"))
    return SERVICES / NAME if is_of_users and SERVICES.is_dir() else None


def is_changed(path: Path) -> bool:
    """Tell whether another file is there than this version writes: the machine's own, or a package's."""
    try:
        return read_file(path) != text_of(path.parent).encode()
    except FileNotFoundError:
        return False
