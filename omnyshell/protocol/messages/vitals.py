"""How nodes' machines are, while somebody looks (docs/extensions.md#vitals)."""

from typing import Annotated, ClassVar

from omnyshell.model.grammars import COUNT, PRINCIPAL_OR_NONE
from omnyshell.model.schema import FREE, OMIT
from omnyshell.model.vitals import MachineVitals, SessionProcess
from omnyshell.protocol.extensions import VITALS
from omnyshell.protocol.messages.base import ControlMessage, Way
from omnyshell.protocol.messages.detached import ClientRequest, Outcome, Request

MOST_PROCESSES = 300
"""Processes that one answer may have."""

LONGEST_COMMAND = 512
"""Characters of a command line that are told."""


class VitalsLook(ControlMessage, kw_only=True):
    """A subscriber to the live state looks at nodes' vitals from now on, or no longer."""

    TYPE: ClassVar[str] = "vitals.look"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    EXTENSION: ClassVar[str] = VITALS

    subscription_id: Annotated[str, FREE]
    """Its subscription; of one that has ended the hub takes no notice."""

    looks: bool
    """Whether it looks."""


class NodeVitalsRequest(ControlMessage, kw_only=True):
    """A hub asks a node how its machine is."""

    TYPE: ClassVar[str] = "node.vitals.request"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    EXTENSION: ClassVar[str] = VITALS

    request_id: Annotated[str, FREE]
    """Chosen by the hub, and echoed in the answer."""


class NodeVitalsResponse(ControlMessage, kw_only=True):
    """How a node's machine is."""

    TYPE: ClassVar[str] = "node.vitals.response"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    EXTENSION: ClassVar[str] = VITALS

    request_id: Annotated[str, FREE]
    """That of the request."""

    vitals: MachineVitals
    """How it is."""


class ProcessesOutcome(Outcome, kw_only=True):
    """The processes of sessions."""

    processes: tuple[SessionProcess, ...] = ()
    """Those of the sessions that were asked for, in no order; 300 at most."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many more there are."""


class SessionProcessesRequest(ClientRequest, kw_only=True):
    """Asks for the processes of one's sessions on a node; who has the right `others`, for those of everyone's."""

    TYPE: ClassVar[str] = "sessions.processes.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    EXTENSION: ClassVar[str] = VITALS


class SessionProcessesResponse(ProcessesOutcome):
    """The processes of sessions on a node."""

    LISTS: ClassVar[str] = "processes"

    TYPE: ClassVar[str] = "sessions.processes.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    EXTENSION: ClassVar[str] = VITALS


class NodeSessionProcessesRequest(Request, kw_only=True):
    """Asks for the processes of a principal's sessions, or of all."""

    TYPE: ClassVar[str] = "node.sessions.processes.request"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    EXTENSION: ClassVar[str] = VITALS

    principal: Annotated[str, OMIT, PRINCIPAL_OR_NONE] = ""
    """Whose sessions; missing for everyone's."""


class NodeSessionProcessesResponse(ProcessesOutcome):
    """The processes of sessions."""

    TYPE: ClassVar[str] = "node.sessions.processes.response"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    EXTENSION: ClassVar[str] = VITALS


MESSAGES: tuple[type[ControlMessage], ...] = (
    VitalsLook,
    NodeVitalsRequest,
    NodeVitalsResponse,
    SessionProcessesRequest,
    SessionProcessesResponse,
    NodeSessionProcessesRequest,
    NodeSessionProcessesResponse,
)
