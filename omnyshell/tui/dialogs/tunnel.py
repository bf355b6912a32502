"""The form that a tunnel is opened with."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual.widget import Widget

from omnyshell.errors import ErrorCodes
from omnyshell.model.tunnels import LOCAL_EXPOSER, MAX_PORT, TunnelProtocol
from omnyshell.tui.dialogs.boxed import row
from omnyshell.tui.dialogs.dialog import Dialog, choice, field
from omnyshell.tui.dialogs.reading import MissingError, Reading, node_id
from omnyshell.tui.widgets.tick import Tick

LONGEST_HOST = 253
"""Characters of a name in DNS."""


@dataclass(frozen=True, slots=True)
class TunnelSpec:
    """A tunnel to open; `node_id` is `@local` for a target beside this console."""

    node_id: str
    target_host: str
    target_port: int
    public_port: int | None
    protocol: TunnelProtocol
    secure: bool


class TunnelDialog(Dialog[TunnelSpec]):
    """The form for a public port that leads to a target reachable from a node, or from this console."""

    TITLE = "Open a tunnel"
    ACTION = "Open"

    FIELDS_OF: ClassVar[Mapping[str, str]] = {
        "port_in_use": "public",
        "port_out_of_range": "public",
        "secure_unavailable": "tls",
        "unsupported_protocol": "protocol",
        "unsupported": "node",
        ErrorCodes.NODE_OFFLINE: "node",
        ErrorCodes.UNKNOWN_NODE: "node",
    }

    def __init__(self, node_id: str, act: Callable[[TunnelSpec], Awaitable[None]] | None = None) -> None:
        super().__init__(act)
        self._node_id = node_id

    def form(self) -> Iterable[Widget]:
        """The target, and the public port."""
        yield row("Node", field("node", self._node_id, "its id; empty for this machine"))
        yield row("Target host", field("host", "localhost", "as the node sees it"))
        yield row("Target port", field("port", hint=f"1 to {MAX_PORT}"))
        yield row("Public port", field("public", hint="empty for one that is free"))
        yield row("Protocol", choice("protocol", [("TCP", "tcp"), ("HTTP, with forwarding headers", "http")], "tcp"))
        yield row("", Tick("TLS on the public side", id="tls", compact=True))

    def on_mount(self) -> None:
        """Focus the first field without a value."""
        self.query_one("#port").focus()

    def read(self, reading: Reading) -> TunnelSpec:
        """The tunnel to open."""
        return TunnelSpec(
            node_id=reading.take("node", exposer, ""),
            target_host=reading.take("host", target_host, ""),
            target_port=reading.take("port", target_port, 0),
            public_port=reading.take("public", port_number, None),
            protocol=TunnelProtocol(self.value("protocol")),
            secure=self.is_checked("tls"),
        )


def exposer(text: str) -> str:
    """Read a node id; an empty text means this machine. Raises `ValueError` that says what is wrong."""
    return LOCAL_EXPOSER if text in ("", LOCAL_EXPOSER) else node_id(text)


def target_host(text: str) -> str:
    """Read the name or address of a host. Raises `ValueError` that says what is wrong."""
    if not text:
        raise ValueError("Say where the target is, as the node sees it; localhost is the node itself.")
    if any(character.isspace() or not character.isprintable() for character in text) or len(text) > LONGEST_HOST:
        raise ValueError("No name or address of a host.")
    return text


def target_port(text: str) -> int:
    """Read a port. Raises `MissingError` for an empty text, `ValueError` for an invalid port."""
    port = port_number(text)
    if port is None:
        raise MissingError(f"Which port? 1 to {MAX_PORT}.")
    return port


def port_number(text: str) -> int | None:
    """Read a port; None for an empty text. Raises `ValueError` that says what is wrong."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PORT)) and 1 <= int(text) <= MAX_PORT):
        raise ValueError(f"No port: ports are 1 to {MAX_PORT}.")
    return int(text)
