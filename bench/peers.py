"""The systems that are compared: an sshd, and a hub with a node, on loopback, as processes of their own."""

import compileall
import ctypes
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import omnyshell
from omnyshell import CertGenerator

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
START_TIMEOUT = 10.0
_OWN_MOUNTS = 0x20000
_HERE_ALONE, _IN_ITS_PLACE = 0x44000, 0x1000


@dataclass(frozen=True)
class OpenSsh:
    """How to run a command over OpenSSH: directly, through a jump host, or over a connection that is open already."""

    config: Path
    pid: int

    def direct(self, *words: str) -> list[str]:
        return ["ssh", "-F", str(self.config), "direct", *words]

    def jump(self, *words: str) -> list[str]:
        return ["ssh", "-F", str(self.config), "jump", *words]

    def over_two(self, *words: str) -> list[str]:
        """Through two jump hosts."""
        return ["ssh", "-F", str(self.config), "over-two", *words]

    def shared(self, *words: str) -> list[str]:
        return ["ssh", "-F", str(self.config), "shared", *words]


@dataclass(frozen=True)
class Hub:
    """A hub with one node, `n1`."""

    pid: int
    node_pid: int
    port: int
    ca: Path
    env: dict[str, str]

    def omnyshell(self, *words: str) -> list[str]:
        return [OMNYSHELL, *words]


@contextmanager
def open_ssh(directory: Path) -> Iterator[OpenSsh]:
    """An sshd of our own, with keys of its own. What it runs has an empty home: bash reads `.bashrc` for ssh alone."""
    port = _free_port()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/user.pub\n"
        "StrictModes no\nUsePAM no\nPidFile none\nMaxSessions 100\nMaxStartups 100\n"
        f"SetEnv HOME={directory}\nSubsystem sftp internal-sftp\n"
    )
    common = (
        f"  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {directory}/user\n  LogLevel ERROR\n"
        "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n"
    )
    config = directory / "ssh_config"
    config.write_text(
        f"Host direct\n{common}Host jump\n{common}  ProxyJump direct\n"
        f"Host second\n{common}Host over-two\n{common}  ProxyJump direct,second\n"
        f"Host shared\n{common}  ControlMaster auto\n  ControlPath {directory}/mux\n  ControlPersist 600\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([SSHD, "-D", "-f", str(directory / "sshd_config")])
    ssh = OpenSsh(config, server.pid)
    try:
        _until_works(ssh.shared("true"), os.environ)
        yield ssh
    finally:
        subprocess.run(["ssh", "-F", str(config), "-O", "exit", "shared"], check=False, capture_output=True)
        server.terminate()
        server.wait()


def hide_startup_file() -> None:
    """Have bash find `.bashrc` empty, here and in what is started: for ssh it reads that, with whatever it costs.

    The node's sshd gives what it runs this user's home, where that of `open_ssh` gives it an empty one.
    """
    path = Path(pwd.getpwuid(os.geteuid()).pw_dir, ".bashrc")
    if not path.exists():
        return
    library = ctypes.CDLL(None)
    if library.unshare(_OWN_MOUNTS) or library.mount(None, b"/", None, _HERE_ALONE, None):
        print(f"only root can hide {path}, which bash reads for the node's sshd alone", file=sys.stderr)
    elif library.mount(b"/dev/null", os.fsencode(path), None, _IN_ITS_PLACE, None):
        raise RuntimeError(f"{path} cannot be hidden")


@contextmanager
def hub_with_node(directory: Path, *options: str) -> Iterator[Hub]:
    """A hub, with further options, and a node, and the environment that reaches them.

    The package has its bytecode, as where it is installed: with `PYTHONDONTWRITEBYTECODE`, each start compiles what was
    changed, which took a cold command 70 ms.
    """
    compileall.compile_dir(Path(omnyshell.__file__).parent, quiet=1)
    made = CertGenerator().generate(directory / "certs", ["127.0.0.1"])
    env = {**os.environ, "OMNYSHELL_HOME": str(directory / "home")}
    grants = directory / "grants"
    grants.write_text("admin:admin-token:admin\nbox:box-token:node\n")
    hub = subprocess.Popen(
        [
            *(OMNYSHELL, "hub", "start", "--host", "127.0.0.1", "--port", "0", "--log-level", "error"),
            *(
                "--node-ids",
                "10000",
                "--cert",
                str(made.hub_pem_path),
                "--key",
                str(made.hub_key_path),
                "--grant-token-file",
                str(grants),
            ),
            *options,
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert hub.stdout is not None
    url = hub.stdout.readline().split()[-1]
    access = {"OMNYSHELL_HUB": url, "OMNYSHELL_CA": str(made.ca_pem_path)}
    box = env | access | {"OMNYSHELL_PRINCIPAL": "box", "OMNYSHELL_TOKEN": "box-token"}
    node = subprocess.Popen(
        [OMNYSHELL, "node", "start", "--no-keeper", "--run-as-node-user", "--id", "n1", "--log-level", "error"], env=box
    )
    admin = env | access | {"OMNYSHELL_PRINCIPAL": "admin", "OMNYSHELL_TOKEN": "admin-token"}
    try:
        _until_works([OMNYSHELL, "exec", "n1", "true"], admin)
        yield Hub(hub.pid, node.pid, int(url.rpartition(":")[2]), made.ca_pem_path, admin)
    finally:
        for process in (node, hub):
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _until_works(command: list[str], env: "os._Environ[str] | dict[str, str]") -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while subprocess.run(command, env=dict(env), capture_output=True, check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise RuntimeError(f"does not come up: {' '.join(command)}")
        time.sleep(0.1)
