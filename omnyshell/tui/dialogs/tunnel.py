"""The form that a tunnel is opened with."""

from collections.abc import Iterable
from dataclasses import dataclass

from textual.widget import Widget
from textual.widgets import Checkbox

from omnyshell.model.tunnels import LOCAL_EXPOSER, MAX_PORT, TunnelProtocol
from omnyshell.tui.dialogs.dialog import Dialog, MissingError, choice, field, row


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
    """A port of the hub that leads to a target beside a node, or beside this console."""

    TITLE = "Open a tunnel"
    ACTION = "Open"

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self._node_id = node_id

    def form(self) -> Iterable[Widget]:
        """Where it leads, and how it is reached."""
        yield row("Node", field("node", self._node_id, "its id; empty for this machine"))
        yield row("Target host", field("host", "localhost", "as the node sees it"))
        yield row("Target port", field("port", hint=f"1 to {MAX_PORT}"))
        yield row("Public port", field("public", hint="empty for one that is free"))
        yield row("Protocol", choice("protocol", [("TCP", "tcp"), ("HTTP, with forwarding headers", "http")], "tcp"))
        yield row("", Checkbox("TLS on the public side", id="tls", compact=True))

    def on_mount(self) -> None:
        """Begin with what has no answer yet."""
        self.query_one("#port").focus()

    def answer(self) -> TunnelSpec:
        """The tunnel to open."""
        if not self.value("host"):
            raise ValueError("Target host: say where the target is, as the node sees it; localhost is the node itself.")
        target = port_number("Target port", self.value("port"))
        if target is None:
            raise MissingError("Target port: which one?")
        return TunnelSpec(
            node_id=self.value("node") or LOCAL_EXPOSER,
            target_host=self.value("host"),
            target_port=target,
            public_port=port_number("Public port", self.value("public")),
            protocol=TunnelProtocol(str(self.query_one("#protocol").value)),  # type: ignore[attr-defined]
            secure=self.is_checked("tls"),
        )


def port_number(name: str, text: str) -> int | None:
    """Read a port; None where nothing is given. Raises `ValueError` that says what is wrong."""
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MAX_PORT:
        raise ValueError(f"{name}: '{text[:12]}' is no port; ports are 1 to {MAX_PORT}.")
    return int(text)
