"""Node ids that a hub knows, and who may do what on them (docs/extensions.md#what-is-live)."""

from typing import Annotated, ClassVar

from omnyshell.model.admin import NodeRecord, RightInfo
from omnyshell.model.grammars import COUNT, EXPOSER_ID, PRINCIPAL, ROLES
from omnyshell.model.schema import ANSWERED, OMIT
from omnyshell.protocol.extensions import RIGHTS
from omnyshell.protocol.messages.admin.base import AdminRequest
from omnyshell.protocol.messages.base import Way


class NodeRecordsRequest(AdminRequest, kw_only=True):
    """Asks for the node ids that are known, connected or not."""

    TYPE: ClassVar[str] = "admin.nodes.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class NodeRecordsResponse(AdminRequest, kw_only=True):
    """The node ids, sorted."""

    TYPE: ClassVar[str] = "admin.nodes.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "nodes"

    nodes: tuple[NodeRecord, ...] = ()
    """Ids with an owner, labels, a connection or a lock, sorted."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many were left out for lack of room."""


class AccessRequest(AdminRequest, kw_only=True):
    """Asks what a principal may do on a node, and why. Everybody may ask about themselves."""

    TYPE: ClassVar[str] = "admin.access.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    NEEDS: ClassVar[str] = RIGHTS

    node_id: Annotated[str, ANSWERED]
    """The node, or `@local`."""

    principal: Annotated[str | None, OMIT, ANSWERED] = None
    """Who would do it; the one who asks where it is missing."""


class AccessResponse(AdminRequest, kw_only=True):
    """What a principal may do on a node."""

    TYPE: ClassVar[str] = "admin.access.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    node_id: Annotated[str, EXPOSER_ID]
    """The node."""

    principal: Annotated[str, PRINCIPAL]
    """The principal."""

    known: bool = False
    """Whether anybody of that name can log in, as far as the hub can tell."""

    online: bool = False
    """Whether the node is connected; otherwise only the hub's own labels for it count."""

    roles: Annotated[tuple[str, ...], ROLES] = ()
    """The roles that count."""

    rights: tuple[RightInfo, ...] = ()
    """What it may do there, and what not."""


class NodeLabelsSet(AdminRequest, kw_only=True):
    """Sets the hub's labels of a node id: a ceiling for its own."""

    TYPE: ClassVar[str] = "admin.node.labels"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    node_id: Annotated[str, ANSWERED]
    """The node's id."""

    labels: Annotated[dict[str, str], ANSWERED] = {}
    """The labels; none removes what was set."""


class NodeRelease(AdminRequest, kw_only=True):
    """Releases a node id, so that another principal can register it."""

    TYPE: ClassVar[str] = "admin.node.release"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    node_id: Annotated[str, ANSWERED]
    """The node's id."""
