"""Decides which sessions a hub opens: checks requests, rights and limits."""

from collections.abc import Collection
from typing import NamedTuple

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.ids import CONTROL_CHANNEL, FIRST_HUB_CHANNEL_AT_CLIENT, is_node_id, matches_ref
from omnyshell.model.grammars import is_login, is_principal
from omnyshell.model.principals import Principal
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol.byte_text import has_bytes
from omnyshell.protocol.extensions import (
    AGENT,
    BYTE_TEXT,
    FORWARD,
    FORWARD_AHEAD,
    HUBS,
    LOGINS,
    RESUME_OFFSET,
    SFTP,
    SSH,
)
from omnyshell.protocol.messages import SessionOpen
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Pool, Quota
from omnyshell.services.hub.access.rights import owner_of, reaches_others, right_of_session
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.nodes.directory import NodeDirectory, ReachableNode
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.route import SessionRoute
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.sessions.translation import SHOWN_NAME_LENGTH


class NotAllowedException(SessionRejectedException):
    """The principal lacks the right."""

    def __init__(self, text: str, right: Action) -> None:
        super().__init__(text, code=ErrorCodes.NOT_AUTHORIZED)
        self.right = right


class Admitted(NamedTuple):
    """A session that may be opened."""

    node: ReachableNode
    right: Action
    """What it needs there for its whole life."""

    logins: tuple[str, ...] = ()
    """The users to whom grants narrow it; they do not where there are none."""

    instead_of: SessionRoute | None = None
    """The session that it takes up, and has the place of."""

    with_agent: bool = False
    """Whether ssh may forward an agent to it."""


class SessionAdmission:
    """Checks requests for sessions. No I/O."""

    def __init__(self, *, nodes: NodeDirectory, router: SessionRouter, policy: HubPolicy, quota: Quota) -> None:
        self._nodes = nodes
        self._router = router
        self._policy = policy
        self._quota = quota

    def check(self, client: Peer, channel: int, request: SessionOpen) -> Admitted:
        """Return where the session will be, and what it takes.

        Raises `SessionRejectedException`, or its subclass `NotAllowedException`, with the first reason that applies.
        """
        self._check_request(client, channel, request)
        node = self._nodes.find(request.node_id)
        if node is None:
            text = f"No node '{request.node_id[:SHOWN_NAME_LENGTH]}' is connected"
            raise SessionRejectedException(text, code=ErrorCodes.UNKNOWN_NODE)
        if node.peer.hub and not node.peer.is_open:
            text = f"Node '{request.node_id}' is at hub '{node.peer.hub}', which this hub cannot reach now"
            raise SessionRejectedException(text, code=_unreachable(client))
        if not node.peer.is_open:
            raise SessionRejectedException(f"Node '{request.node_id}' is offline", code=ErrorCodes.NODE_OFFLINE)
        right = self._check_right(client, node, request)
        logins = self._check_user(client, node, request, right)
        _check_age(node, request)
        self._check_channels(client, node)
        freed = self._taken_over(node, request, owner_of(request, client.principal))
        self._check_capacity(client, node, freed, is_forward=request.mode is SessionMode.FORWARD)
        return Admitted(node, right, logins, freed, self._may_have_agent(client, node, request, logins))

    def check_place(self, route: SessionRoute) -> None:
        """Raise `SessionRejectedException` unless a session that is counted may be beside all others that are."""
        node = self._nodes.find(route.session.node_id)
        if node is not None:
            self._check_capacity(route.client, node, route, is_forward=route.is_forward)

    def _check_request(self, client: Peer, channel: int, request: SessionOpen) -> None:
        problem = ""
        if not CONTROL_CHANNEL < channel < FIRST_HUB_CHANNEL_AT_CLIENT:
            problem = f"Channel {channel} is not for sessions"
        elif channel in client.channels:
            problem = f"Channel {channel} is in use"
        elif request.mode is SessionMode.TUNNEL:
            problem = "Tunnels are not opened as sessions"
        elif request.mode is SessionMode.FORWARD or request.target or request.forward or request.ahead:
            problem = self._problem_of_forward(client, request)
        elif request.owner and not (request.resume_session_id and is_principal(request.owner)):
            problem = "Only a session that is there has an owner"
        elif request.user is not None and not (request.resume_session_id is None and is_login(request.user)):
            problem = "A session that is there has its user" if request.resume_session_id else "That is no user's name"
        elif not is_node_id(request.node_id):
            problem = "No node is named" if not request.node_id else "A node id has letters, digits, '_', '.' and '-'"
        problem = problem or _problem_of_mode(client, request)
        if problem:
            raise SessionRejectedException(problem, code=ErrorCodes.BAD_REQUEST)

    def _problem_of_forward(self, client: Peer, request: SessionOpen) -> str:
        if request.mode is not SessionMode.FORWARD or FORWARD not in client.features:
            return "Forwards are for clients that announced them"
        if request.ahead and (FORWARD_AHEAD not in client.features or request.target is None):
            return "New connections alone are asked for ahead, by clients that announced it"
        if request.resume_session_id is not None:
            return "A session that is there has its target" if request.target is not None else ""
        if (request.target is None) is not (request.forward is None):
            return "A connection has a target and a forward"
        is_there = request.forward is None or self._router.forward_of(client, request) is not None
        return "" if is_there else "The forward has been closed"

    def _check_right(self, client: Peer, node: ReachableNode, request: SessionOpen) -> Action:
        with_offsets = has_offsets(client, node, request)
        right = right_of_session(request, node.peer.features, with_offsets=with_offsets)
        for needed in (right, Action.OTHERS) if reaches_others(request, client.principal) else (right,):
            decision = self._policy.decide(client.principal, needed, node)
            if not decision.allowed:
                raise NotAllowedException(self._policy.refusal(client.principal, needed, node, decision), needed)
        return right

    def _check_user(self, client: Peer, node: ReachableNode, request: SessionOpen, right: Action) -> tuple[str, ...]:
        """Return the users to whom grants narrow a session. Raises `SessionRejectedException`."""
        rights = (right, Action.OTHERS) if reaches_others(request, client.principal) else (right,)
        logins = self._policy.logins_of_all(client.principal, rights, node)
        is_narrowed = logins is not None
        if (is_narrowed or request.user) and LOGINS not in node.peer.features:
            text = f"Node '{node.node_id}' is too old to say whose its sessions are: its OmnyShell wants an update"
            raise SessionRejectedException(text, code=ErrorCodes.BAD_REQUEST)
        allowed = sorted(logins or ())
        if is_narrowed and (not allowed or (request.user and request.user not in allowed)):
            who = f"'{request.user}'" if request.user else "anybody"
            text = f"Not authorized to be {who} on '{node.node_id}': grants name {', '.join(allowed) or 'nobody'}"
            raise NotAllowedException(text, right)
        return tuple(allowed)

    def _may_have_agent(self, client: Peer, node: ReachableNode, request: SessionOpen, logins: Collection[str]) -> bool:
        """Tell whether a session of ssh, narrowed to `logins`, may have what takes a right of its own in others."""
        if request.mode is not SessionMode.SSH or not self._policy.decide(client.principal, Action.AGENT, node).allowed:
            return False
        allowed = self._policy.logins_of_all(client.principal, (Action.AGENT,), node)
        users = [request.user] if request.user else logins
        return allowed is None or (bool(users) and allowed.issuperset(users))

    def _check_channels(self, client: Peer, node: ReachableNode) -> None:
        most = self._quota.limits.max_channels
        if max(self._router.count(client), self._router.count(node.peer)) >= most:
            text = f"No more than {most} channels on one connection"
            raise SessionRejectedException(text, code=ErrorCodes.CAPACITY_EXCEEDED)

    def _check_capacity(
        self, client: Peer, node: ReachableNode, freed: SessionRoute | None, *, is_forward: bool
    ) -> None:
        """Raise `SessionRejectedException` where one more has no place, if `freed` gives up its own."""
        limit = node.capabilities.max_sessions if node.capabilities is not None else None
        count = int(freed is not None)
        taken = self._router.sessions_at(node.peer) - count
        if is_forward:
            limit, taken = None, self._router.count(node.peer) - count
        if limit is not None and taken >= limit:
            text = f"Node '{node.node_id}' has its {limit} sessions"
            raise SessionRejectedException(text, code=ErrorCodes.CAPACITY_EXCEEDED)
        most = self._quota.limits.max_channels
        pool = Pool(most if limit is None else min(limit, most), taken)
        of_mine = int(freed is not None and freed.client.principal.id == client.principal.id)
        why = self._problem_of_quota(client.principal, node.node_id, of_mine, pool, is_forward=is_forward)
        if why:
            raise SessionRejectedException(why, code=ErrorCodes.CAPACITY_EXCEEDED)

    def _problem_of_quota(self, who: Principal, node_id: str, freed: int, pool: Pool, *, is_forward: bool) -> str:
        held, problem = self._router.held, self._quota.problem
        at_node = held(who.id, node_id, forwards=is_forward) - freed
        in_all = held(who.id, forwards=is_forward) - freed
        if is_forward:
            why = problem(who, Resource.FORWARDS, at_node, pool)
        else:
            why = problem(who, Resource.SESSIONS_AT_NODE, at_node, pool) or problem(who, Resource.SESSIONS, in_all)
        return why or problem(who, Resource.CHANNELS, in_all + held(who.id, forwards=not is_forward))

    def _taken_over(self, node: ReachableNode, request: SessionOpen, owner: str) -> SessionRoute | None:
        """Return the session whose place a resume frees: one that is attached, maybe over a dead connection."""
        ref, is_forward = request.resume_session_id, request.mode is SessionMode.FORWARD
        if not ref:
            return None
        theirs = (route for route in self._router.of_peer(node.peer) if route.session.principal == owner)
        theirs = (route for route in theirs if route.is_forward is is_forward)
        freed = next((route for route in theirs if matches_ref(route.session.id, ref)), None)
        # Where somebody else takes it over already, it frees one place only.
        return None if freed is not None and any(self._router.takers_of(freed)) else freed


def _problem_of_mode(client: Peer, request: SessionOpen) -> str:
    is_ssh = request.mode is SessionMode.SSH
    if (is_ssh or request.ssh_key) and not (is_ssh and SSH in client.features):
        return "Sessions of ssh are for clients that announced them"
    if request.mode is SessionMode.SFTP and SFTP not in client.features:
        return "Copying files is for clients that announced it"
    if request.mode is SessionMode.AGENT and AGENT not in client.features:
        return "Forwarding an agent is for clients that announced it"
    return ""


def _check_age(node: ReachableNode, request: SessionOpen) -> None:
    needs = {"bytes that are no UTF-8": (has_bytes(request), BYTE_TEXT)}
    needs["forwards"] = (request.mode is SessionMode.FORWARD, FORWARD)
    needs["connections that are asked for ahead"] = (request.ahead, FORWARD_AHEAD)
    needs["ssh"] = (request.mode is SessionMode.SSH, SSH)
    needs["forwarding an agent"] = (request.mode is SessionMode.AGENT, AGENT)
    needs["copying files"] = (request.mode is SessionMode.SFTP, SFTP)
    for what, (is_needed, extension) in needs.items():
        if is_needed and extension not in node.peer.features:
            text = f"Node '{node.node_id}' is too old for {what}: its OmnyShell wants an update"
            raise SessionRejectedException(text, code=ErrorCodes.BAD_REQUEST)


def has_offsets(client: Peer, node: ReachableNode, request: SessionOpen) -> bool:
    """Tell whether client, node and request use `resume-offset`, so that a resume continues at an exact byte."""
    return request.offsets and RESUME_OFFSET in client.features and RESUME_OFFSET in node.peer.features


def _unreachable(client: Peer) -> ErrorCodes:
    """Return the code for a node whose hub cannot be reached: one that knows of hubs asks that one itself."""
    return ErrorCodes.HUB_UNREACHABLE if HUBS in client.features else ErrorCodes.NODE_OFFLINE
