"""Advice for the user about a failed request: the error's text, and the next step."""

from typing import Final

from omnyshell.errors import (
    AuthorizationException,
    ErrorCodes,
    OmnyShellException,
    OmnyShellTimeoutException,
    Remedy,
    TransportException,
)
from omnyshell.printable import printable, sentence

_BY_CODE: Final = {
    ErrorCodes.NOT_AUTHORIZED: "Your role does not allow it: ask an admin of this hub, or log in as another with f10.",
    ErrorCodes.NODE_OFFLINE: "Try again when the node is online.",
    ErrorCodes.UNKNOWN_NODE: "The panel of nodes has the ids that there are.",
    ErrorCodes.CAPACITY_EXCEEDED: "Try again when something else has ended.",
    ErrorCodes.TIMEOUT: "Try again; if that does not help, look at the node.",
    ErrorCodes.TRANSPORT_ERROR: "The console connects again by itself: try again then.",
    "tunnel_disabled": "A hub serves tunnels when it is started with --tunnel-port-range.",
    "secure_unavailable": "Open it without TLS, or start the hub with --tunnel-cert and --tunnel-key.",
    "port_in_use": "Choose another port, or none: the hub takes one that is free.",
    "port_out_of_range": "Choose one of these ports, or none: the hub takes one that is free.",
    "unsupported": "A newer node can do it.",
}
_BY_REMEDY: Final = {
    Remedy.ALLOW_UNBOUND: "Start the console with --allow-unbound to allow it.",
    Remedy.CHOOSE_ADDRESS: "Remove it: the hub listens on the loopback alone then.",
    Remedy.GIVE_CREDENTIAL: "Give the file of a key or of a token.",
    Remedy.LET_OTHERS_WRITE: "Where that has to be so, start the console with --strict-modes false.",
    Remedy.NAME_AGENT_KEY: "Give agent:COMMENT as the key, with the comment of one.",
    Remedy.NAME_AUTHORITY: "Give the file of that authority.",
    Remedy.NAME_HUB: "Give --hub, or save a login first.",
    Remedy.NAME_PRINCIPAL: "Give the principal's name.",
    Remedy.START_HUB_HERE: "`omnyshell up` starts one on this machine.",
}
_BY_TYPE: Final = (
    (AuthorizationException, ErrorCodes.NOT_AUTHORIZED),
    (OmnyShellTimeoutException, ErrorCodes.TIMEOUT),
    (TransportException, ErrorCodes.TRANSPORT_ERROR),
)


def offline(node_id: str) -> str:
    """Return what is said of a node that is away, as a hub says it that is asked."""
    return f"{printable(node_id)} is offline. {_BY_CODE[ErrorCodes.NODE_OFFLINE]}"


def with_remedy(error: OmnyShellException) -> str:
    """Return an error's text, with the console's wording of its remedy, if it has one."""
    step = _BY_REMEDY.get(error.remedy, "") if error.remedy is not None else ""
    return f"{sentence(printable(str(error)))} {step}" if step else printable(str(error))


def advice(error: OmnyShellException) -> str:
    """Return what went wrong and, if known, what to do about it, as printable text."""
    said = printable(str(error)) or type(error).__name__
    code = next((code for kind, code in _BY_TYPE if isinstance(error, kind)), error.code)
    step = _BY_REMEDY.get(error.remedy, "") if error.remedy is not None else _BY_CODE.get(code, "")
    return f"{sentence(said)} {step}" if step else said
