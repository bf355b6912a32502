"""A machine's users of a test's own: what is run on it sees other files in /etc, and this machine keeps its own."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path

import pytest

PEOPLE = {"ann": 42001, "bea": 42002, "gone": 42003, "homeless": 42004, "slayer": 42005}
SYSTEM = {"dbms": 842}
NODE_USER = 843
EXTRA_GROUP = 42100
HOMES = "/mnt"
"""Where homes are on that machine: all on the way to it can be entered by everybody."""

GROUPS_FILE = "/etc/security/group.conf"
_FILES = ("passwd", "group", "shadow")


def _without(users: Collection[str], file: Path) -> list[str]:
    """The lines of a file of this machine, without its users who have the names of ours: the first one found counts."""
    if not file.exists():
        return []
    lines = (line.split(":") for line in file.read_text(encoding="utf-8").splitlines())
    of_others = (fields for fields in lines if fields[0] not in users)
    if file.name != "group":
        return [":".join(fields) for fields in of_others]
    return [":".join([*fields[:-1], ""]) for fields in of_others]


class Machine:
    """Users ann and bea with homes, dbms of the system, gone whose account has expired, and homeless."""

    def __init__(self, place: Path) -> None:
        """Skips the test where no file system can be mounted for it."""
        if os.geteuid() != 0:
            pytest.skip("only root can be others")
        self._place = place
        self.homes = place / "homes"
        place.mkdir()
        self.homes.mkdir()
        # Whatever the mask of who runs the tests is, others enter and read these.
        self.homes.chmod(0o755)
        users = PEOPLE | SYSTEM | {"service": NODE_USER}
        passwd = [f"{name}:x:{uid}:{uid}::{HOMES}/{name}:/bin/bash" for name, uid in users.items()]
        group = [*(f"{name}:x:{uid}:" for name, uid in users.items()), f"staff2:x:{EXTRA_GROUP}:ann"]
        shadow = [f"{name}:!:19000::::::" for name in users if name != "gone"] + ["gone:!:19000:::::19001:"]
        for name, lines in (("passwd", passwd), ("group", group), ("shadow", shadow)):
            own = _without(users, Path("/etc", name))
            (place / name).write_text("\n".join([*own, *lines]) + "\n", encoding="utf-8")
            (place / name).chmod(0o600 if name == "shadow" else 0o644)
        self.pam = place / "pam.d"
        """The directory of PAM's services, which has none of ours unless a test writes it."""

        self.groups = place / "group.conf"
        """Which groups PAM adds."""

        self.groups.touch()
        self.groups.chmod(0o644)
        if Path("/etc/pam.d").exists():
            shutil.copytree("/etc/pam.d", self.pam, ignore=shutil.ignore_patterns("omnyshell"))
        for name in ("ann", "bea", "dbms", "service"):
            (self.homes / name).mkdir(mode=0o700)
            os.chown(self.homes / name, users[name], users[name])
        if subprocess.run(self.wrapped(["true"]), check=False, capture_output=True).returncode:
            pytest.skip("no disk can be mounted here")

    def wrapped(self, command: list[str]) -> list[str]:
        """Return a command line that runs a program on this machine, as the same process."""
        bound = {f"/etc/{name}": self._place / name for name in _FILES} | {HOMES: self.homes}
        if self.pam.exists():
            bound["/etc/pam.d"] = self.pam
        if Path(GROUPS_FILE).exists():
            bound[GROUPS_FILE] = self.groups
        mounts = " && ".join(shlex.join(["mount", "--bind", str(ours), there]) for there, ours in bound.items())
        return ["unshare", "--mount", "sh", "-c", f"{mounts} && exec {shlex.join(command)}"]
