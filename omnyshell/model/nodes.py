"""Nodes: what they are, what they can do, and how a hub describes them (wire protocol section 3)."""

from typing import Annotated

from omnyshell.model.schema import OMIT, WireObject

DEFAULT_MAX_SESSIONS = 50


class PlatformInfo(WireObject, kw_only=True):
    """The machine a node runs on. `os` and `arch` use the names of section 8."""

    os: str
    arch: str
    agent_version: str = "unknown"
    hostname: str = "unknown"


class NodeCapabilities(WireObject, kw_only=True):
    """What a node supports; `features` are the names of section 3 and of the extensions."""

    shells: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    max_sessions: int = DEFAULT_MAX_SESSIONS
    direct_endpoint: Annotated[str | None, OMIT] = None


class NodeDescriptor(WireObject, kw_only=True):
    """A node as clients see it in a listing."""

    node_id: str
    uid: Annotated[str | None, OMIT] = None
    display_name: str = ""
    platform: PlatformInfo
    labels: dict[str, str] = {}
    online: bool = False
    capabilities: Annotated[NodeCapabilities | None, OMIT] = None
