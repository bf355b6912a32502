"""Nodes: what they are, what they can do, and how a hub describes them (wire protocol section 3)."""

from typing import Annotated

from omnyshell.model.grammars import COUNT, NODE_ID, UID
from omnyshell.model.schema import FREE, OMIT, WireObject

DEFAULT_MAX_SESSIONS = 50

TUNNEL_SERVICE = "tunnel"
"""What a node announces that exposes targets."""


class PlatformInfo(WireObject, kw_only=True):
    """The machine a node runs on. `os` and `arch` use the names of section 8."""

    os: Annotated[str, FREE]
    arch: Annotated[str, FREE]
    agent_version: Annotated[str, FREE] = "unknown"
    hostname: Annotated[str, FREE] = "unknown"


class NodeCapabilities(WireObject, kw_only=True):
    """What a node supports; `features` are the names of section 3 and of the extensions."""

    shells: Annotated[tuple[str, ...], FREE] = ()
    features: Annotated[tuple[str, ...], FREE] = ()
    max_sessions: Annotated[int, COUNT] = DEFAULT_MAX_SESSIONS
    direct_endpoint: Annotated[str | None, OMIT, FREE] = None


class NodeDescriptor(WireObject, kw_only=True):
    """A node as clients see it in a listing."""

    node_id: Annotated[str, NODE_ID]
    uid: Annotated[str | None, OMIT, UID] = None
    display_name: Annotated[str, FREE] = ""
    platform: PlatformInfo
    labels: Annotated[dict[str, str], FREE] = {}
    online: bool = False
    capabilities: Annotated[NodeCapabilities | None, OMIT] = None
