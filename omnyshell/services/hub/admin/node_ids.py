"""Administration of node ids: their owners, and the labels that the hub sets for them (extension `admin`)."""

from omnyshell.errors import ErrorCodes
from omnyshell.model.principals import NODE_PREFIX
from omnyshell.protocol.messages.admin import NodeLabelsSet, NodeRelease
from omnyshell.services.hub.admin.plans import AdminRefusedException, Plan, Plans, Reads, changed, check_node
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.changes import ReleaseNode, RemovePrincipal, SetLabels


class NodeIdAdmin:
    """Plans each change; nothing has happened when a plan is returned."""

    def __init__(self, store: EnrolmentStore, owners: NodeOwners, nodes: NodeDirectory) -> None:
        self._store = store
        self._owners = owners
        self._nodes = nodes
        self.reads: Reads = {}
        self.plans: Plans = {NodeLabelsSet: self._set_labels, NodeRelease: self._release}

    def _set_labels(self, ask: NodeLabelsSet, _admin: Peer) -> Plan:
        check_node(ask.node_id, ask.labels)

        shown = " ".join(f"{key}={value}" for key, value in sorted(ask.labels.items())) or "-"
        fields = {"node_id": ask.node_id, "detail": shown}
        return changed("node.labels", fields, ask.request_id, SetLabels(ask.node_id, ask.labels))

    def _release(self, ask: NodeRelease, _admin: Peer) -> Plan:
        # A node that joined has a principal of its own: the id is not free while that can log in.
        enrolled = NODE_PREFIX + ask.node_id
        is_enrolled = self._store.has_principal(enrolled)
        owner = self._owners.owners().get(ask.node_id, enrolled if is_enrolled else None)
        if owner is None:
            raise AdminRefusedException(f"nobody holds the node id '{ask.node_id[:64]}'", code="not_found")
        node = self._nodes.find(ask.node_id)
        if node is not None:
            text = f"the node '{ask.node_id}' is connected: stop it, or revoke '{owner}', first"
            raise AdminRefusedException(text, code=ErrorCodes.BAD_REQUEST)
        also = f", {enrolled} is revoked" if is_enrolled else ""
        fields = {"node_id": ask.node_id, "detail": f"was of {owner}{also}"}

        release = ReleaseNode(ask.node_id, self._owners.owners().get(ask.node_id))
        changes = (RemovePrincipal(enrolled), release) if is_enrolled else (release,)
        return changed("node.release", fields, ask.request_id, *changes)
