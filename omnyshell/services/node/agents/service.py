"""Makes of a request in the mode `agent` what is started, where the node lets it (docs/extensions.md#agent)."""

from collections.abc import Mapping

from omnyshell.errors import SessionRejectedException
from omnyshell.services.exposer.exposer import FORBIDDEN


class AgentService:
    """Judges whether agents may be forwarded to this node."""

    def __init__(self, *, is_allowed: bool) -> None:
        self.is_allowed = is_allowed

    def variables(self) -> Mapping[str, str]:
        """Return what the launcher is told: nothing. Raises `SessionRejectedException` where there is none."""
        if not self.is_allowed:
            raise SessionRejectedException("This node lets nobody forward an agent", code=FORBIDDEN)
        return {}
