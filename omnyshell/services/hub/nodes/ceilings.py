"""The ceilings: labels that the hub sets for node ids, by its configuration and by admins."""

from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.nodes.registry import NodeRegistry


class LabelCeilings:
    """Sets the ceilings in the registry. Those of the configuration take precedence over those of admins."""

    def __init__(self, config: HubConfig, store: EnrolmentStore, nodes: NodeRegistry) -> None:
        self._configured = config.node_labels
        self._store = store
        self._nodes = nodes

    def follow(self, config: HubConfig) -> None:
        """Use other settings from now on, for connected nodes too."""
        self._configured = config.node_labels
        self._nodes.set_hub_labels(self.all())

    def all(self) -> dict[str, dict[str, str]]:
        """Return the ceilings of all ids that have one."""
        labels = self._store.node_labels()
        return {id_: self._of(id_, labels.get(id_, {})) for id_ in {*labels, *self._configured}}

    def set(self, node_id: str, labels: dict[str, str]) -> None:
        """Apply the labels that admins set for a node id."""
        self._nodes.set_ceiling(node_id, self._of(node_id, labels))

    def _of(self, node_id: str, labels: dict[str, str]) -> dict[str, str]:
        return labels | self._configured.get(node_id, {})
