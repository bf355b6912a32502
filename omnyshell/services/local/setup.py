"""The files of this machine's own hub and node, and whether they run."""

import getpass
import os
import re
import socket
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.hosts import LOCALHOST
from omnyshell.ids import PrincipalId, new_typed_token
from omnyshell.paths import logins_file, state_dir
from omnyshell.security.credentials import TokenCredentialProvider
from omnyshell.security.files import make_private_directory, read_private, write_private
from omnyshell.security.strict_modes import StrictModes
from omnyshell.services.client.login_store import CredentialStore, StoredSession
from omnyshell.services.dial import HubAccess
from omnyshell.services.local.listening import Listening
from omnyshell.services.local.pid_file import PidFile, locked
from omnyshell.transport.connection import HubAddress

DEFAULT_PORT = 8443
LOGIN_NAME = "local"
UP = "omnyshell up"
CONSOLE = "omnyshell-console"
NODE_PRINCIPAL = "this-machine"


@dataclass(frozen=True, slots=True)
class Running:
    """A local hub that serves, and the node that belongs to it."""

    pid: int
    port: int
    node_id: str
    program: str = UP
    """The command that the user started."""

    host: str = LOCALHOST
    """Where it listens beside the loopback; see `Listening`."""

    trouble: str = ""
    """Why it does not listen where it should, if it does not."""

    asked: str = ""
    """The last request to listen elsewhere that it has followed; see `Listening`."""

    @property
    def url(self) -> str:
        """The hub's URL."""
        return f"wss://localhost:{self.port}"

    @property
    def listening(self) -> Listening:
        """Where it listens."""
        return Listening(self.host, self.port)


@dataclass(frozen=True, slots=True)
class LocalSetup:
    """One directory with all that the local hub and node need, made when it is missing."""

    directory: Path

    @classmethod
    def default(cls) -> "LocalSetup":
        """The setup of this user."""
        return cls(state_dir() / "local")

    @property
    def log_file(self) -> Path:
        """The log of a server in the background."""
        return self.directory / "server.log"

    @property
    def pid_file(self) -> Path:
        """Locked by the server while it lives; names its process and port."""
        return self.directory / "server.pid"

    @property
    def node_pid_file(self) -> Path:
        """Locked by the process that runs this machine's node, so that there are never two."""
        return self.directory / "node.pid"

    @property
    def node_state(self) -> Path:
        """The node's state directory, in which its keeper is found."""
        return self.directory / "node"

    @property
    def node_log_file(self) -> Path:
        """The log of a node that is a process of its own."""
        return self.directory / "node.log"

    @property
    def ca_file(self) -> Path:
        """The authority to trust about the hub."""
        return self.directory / "certs" / "ca.pem"

    def prepare_directory(self) -> None:
        """Make the directory. Raises `ConfigException` where that fails."""
        try:
            make_private_directory(self.directory)
        except OSError as exc:
            raise ConfigException(f"cannot make {self.directory}: {exc.strerror}") from exc
        StrictModes.said(None).check_tree(self.directory)

    def secret(self, name: str) -> str:
        """Return the token of that name; the first call, in any process, makes it."""
        path = self.directory / f"{name}.token"
        known = read_private(path)
        if known is None:
            with locked(self.directory / "tokens.lock"):
                known = read_private(path)
                if known is None:
                    known = new_typed_token().encode()
                    write_private(path, known)
        return known.decode()

    def running(self) -> Running | None:
        """Return the local hub that serves now; None if none does."""
        data = PidFile(self.pid_file).read()
        if not data:
            return None
        known = {field.name for field in fields(Running)}
        return Running(**{name: value for name, value in data.items() if name in known})

    def claim(self) -> int:
        """Lock the hub's pid file for the life of this process; returns its descriptor.

        Raises `ConfigException` where another process has it.
        """
        self.prepare_directory()
        return PidFile(self.pid_file).claim()

    def announce(self, fd: int, running: Running) -> None:
        """Write to the claimed pid file that this process serves, and save the login. Raises `ConfigException`."""
        # Whoever finds the hub finds the login.
        self._save_login(running)
        # Earlier versions read no fields that they do not know.
        said = {"host": LOCALHOST, "trouble": "", "asked": ""}
        PidFile.write(fd, {name: value for name, value in asdict(running).items() if said.get(name) != value})

    def admin_access(self, running: Running) -> HubAccess:
        """How this user reaches the local hub."""
        return HubAccess(
            address=HubAddress.parse(running.url),
            credentials=TokenCredentialProvider(PrincipalId(user_name()), self.secret("admin")),
            ca=self.ca_file,
        )

    def node_access(self, port: int) -> HubAccess:
        """How this machine's node reaches the local hub."""
        return HubAccess(
            address=HubAddress(LOCALHOST, port),
            credentials=TokenCredentialProvider(PrincipalId(NODE_PRINCIPAL), self.secret("node")),
            ca=self.ca_file,
        )

    def _save_login(self, running: Running) -> None:
        store = CredentialStore(logins_file())
        before = store.get(LOGIN_NAME)
        is_default = store.get() in (None, before)
        if before is not None and before.hub != running.url:
            store.remove(before.hub)
        login = StoredSession(
            hub=running.url,
            principal=user_name(),
            token=self.secret("admin"),
            ca_path=str(self.ca_file),
            name=LOGIN_NAME,
        )
        store.save(login, make_default=is_default)


def user_name() -> str:
    """The name of the user, as a principal."""
    try:
        return re.sub(r"[\s:]", "-", getpass.getuser())
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def machine_node_id() -> str:
    """The machine's name, as a node id."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname().split(".")[0]) or "this-machine"
