"""Who looks at the live state, and what may be seen."""

from dataclasses import dataclass

from omnyshell.model.live import Part, Scope


@dataclass(frozen=True, slots=True)
class Viewer:
    """A subscriber's rights: an admin sees everything, others what belongs to them."""

    principal: str
    is_admin: bool = False

    @property
    def scope(self) -> Scope:
        """Whose state is told."""
        return Scope.ALL if self.is_admin else Scope.OWN

    @property
    def parts(self) -> frozenset[Part]:
        """The parts that may be seen: figures are of the whole hub."""
        return frozenset(Part) if self.is_admin else frozenset(Part) - {Part.METRICS}

    def owns(self, principal: str | None) -> bool:
        """Tell whether something of that principal may be seen; None stands for what everyone may see."""
        return self.is_admin or principal is None or principal == self.principal
