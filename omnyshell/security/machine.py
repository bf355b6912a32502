"""What identifies the machine this runs on (docs/protocol.md#uids)."""

import platform
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LINUX_FILES = ("etc/machine-id", "var/lib/dbus/machine-id")
_IOREG = ("/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice")
_IOREG_UUID = re.compile(r'"IOPlatformUUID"\s*=\s*"([^"]*)"')
_IOREG_SECONDS = 5

_OS_NAMES = {"linux": "linux", "darwin": "macos", "windows": "windows"}
_ARCH_NAMES = {
    "x86_64": "x64",
    "amd64": "x64",
    "x64": "x64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "x86": "ia32",
    "ia32": "ia32",
    "riscv64": "riscv64",
}
_ARCH_PATTERNS = ((re.compile(r"i[3-6]86"), "ia32"), (re.compile(r"arm.*"), "arm"))
_ARCH_OF_32_BIT_PROCESS = {"x64": "ia32", "arm64": "arm"}


class MachineId(str):
    """The identifier the operating system gives this installation: trimmed, lower case, empty if there is none."""

    __slots__ = ()

    @classmethod
    def read(cls, root: Path = Path("/")) -> Self:
        """Ask the operating system; never raises. `root` is where Linux's files are looked for."""
        try:
            return cls(_read_machine_id(root).strip().lower())
        except (OSError, subprocess.SubprocessError):
            return cls("")


def _read_machine_id(root: Path) -> str:
    if sys.platform == "darwin":
        return _macos_uuid()
    if sys.platform == "win32":
        return _windows_guid()
    return _linux_id(root)


def _linux_id(root: Path) -> str:
    """The content of the first file that has one."""
    for name in _LINUX_FILES:
        try:
            text = (root / name).read_text(errors="replace").strip()
        except OSError:
            continue
        if text:
            return text
    return ""


def _macos_uuid() -> str:
    output = subprocess.run(_IOREG, capture_output=True, check=True, timeout=_IOREG_SECONDS).stdout  # noqa: S603
    return parse_ioreg(output.decode(errors="replace"))


def parse_ioreg(output: str) -> str:
    """Find the IOPlatformUUID in the output of macOS's `ioreg`; empty if it is missing."""
    match = _IOREG_UUID.search(output)
    return match.group(1) if match else ""


def _windows_guid() -> str:
    if sys.platform == "win32":
        import winreg

        access = winreg.KEY_READ | winreg.KEY_WOW64_64KEY
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Cryptography", 0, access) as key:
            return str(winreg.QueryValueEx(key, "MachineGuid")[0])
    return ""


def os_name(system: str | None = None) -> str:
    """The operating system's name on the wire, from what `platform.system()` says; unknown ones in lower case."""
    system = (platform.system() if system is None else system).lower()
    return _OS_NAMES.get(system, system)


def arch_name(machine: str | None = None, *, is_64_bit: bool = sys.maxsize > 2**32) -> str:
    """The processor's name on the wire, from what `platform.machine()` says; unknown ones in lower case.

    The process decides: a 32-bit one on a 64-bit kernel has the 32-bit name.
    """
    machine = (platform.machine() if machine is None else machine).lower()
    name = _ARCH_NAMES.get(machine) or next(
        (name for pattern, name in _ARCH_PATTERNS if pattern.fullmatch(machine)), machine
    )
    return name if is_64_bit else _ARCH_OF_32_BIT_PROCESS.get(name, name)


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """The machine's part of a UID; `os` and `arch` as in docs/protocol.md#uids."""

    machine_id: str
    os: str
    arch: str
    hostname: str

    @classmethod
    def read(cls) -> Self:
        """Describe this machine."""
        return cls(machine_id=MachineId.read(), os=os_name(), arch=arch_name(), hostname=socket.gethostname())
