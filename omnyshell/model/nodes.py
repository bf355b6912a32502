"""Nodes: what they are, what they can do, and how a hub describes them (docs/protocol.md#nodes)."""

from typing import Annotated

from omnyshell.model.grammars import COUNT, HUB_ID_OR_NONE, NODE_ID, UID
from omnyshell.model.schema import FREE, OMIT, WireObject

DEFAULT_MAX_SESSIONS = 50

SERVICES = ("exec", "shell", "resize", "signals", "detach")
"""The features by which a node announces its services, except for tunnels."""

TUNNEL_SERVICE = "tunnel"
"""The feature that a node announces if it exposes targets."""


class PlatformInfo(WireObject, kw_only=True):
    """The machine that a node runs on."""

    os: Annotated[str, FREE]
    """`linux`, `macos` or `windows`."""

    arch: Annotated[str, FREE]
    """`x64`, `arm64`, `ia32`, `arm` or `riscv64`."""

    agent_version: Annotated[str, FREE] = "unknown"
    """The version of the node's software."""

    hostname: Annotated[str, FREE] = "unknown"
    """The machine's name."""


class NodeCapabilities(WireObject, kw_only=True):
    """What a node supports."""

    shells: Annotated[tuple[str, ...], FREE] = ()
    """The shells that it can run."""

    features: Annotated[tuple[str, ...], FREE] = ()
    """What it serves, and the extensions that it speaks."""

    max_sessions: Annotated[int, COUNT] = DEFAULT_MAX_SESSIONS
    """How many sessions may be attached at a time."""

    direct_endpoint: Annotated[str | None, OMIT, FREE] = None
    """Where it could be reached without the hub; nothing uses it."""


class NodeDescriptor(WireObject, kw_only=True):
    """A node as clients see it in a listing."""

    node_id: Annotated[str, NODE_ID]
    """The node's id."""

    uid: Annotated[str | None, OMIT, UID] = None
    """Its UID."""

    display_name: Annotated[str, FREE] = ""
    """Its name for people."""

    platform: PlatformInfo
    """The machine it runs on."""

    labels: Annotated[dict[str, str], FREE] = {}
    """The labels that its own configuration gives it."""

    online: bool = False
    """Whether it is connected."""

    capabilities: Annotated[NodeCapabilities | None, OMIT] = None
    """What it can do."""

    hub: Annotated[str, OMIT, HUB_ID_OR_NONE] = ""
    """Of `whole-view`: the hub with which it is connected; missing where the hub is alone."""
