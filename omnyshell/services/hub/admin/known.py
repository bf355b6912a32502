"""The principals that the hub knows: granted by its configuration, or enrolled in its database."""

from collections.abc import Iterator
from datetime import datetime

from omnyshell.ids import PrincipalId
from omnyshell.model.principals import MAX_USER_NAME, Principal, is_user_name
from omnyshell.security.authenticators import can_list, principal_of, principals_of
from omnyshell.services.hub.admin.plans import SHOWN, AdminRefusedException
from omnyshell.services.hub.enrolment.authenticator import EnrolledAuthenticator, HubAuthenticator
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.truth.records import EnrolledPrincipal


class KnownPrincipals:
    """Looks principals up for admins."""

    def __init__(
        self, *, store: EnrolmentStore, enrolled: EnrolledAuthenticator, authenticator: HubAuthenticator
    ) -> None:
        self._store = store
        self._enrolled = enrolled
        self._authenticator = authenticator

    @property
    def can_list(self) -> bool:
        """Whether all principals can be listed; an authenticator that asks a directory, for example, cannot."""
        return can_list(self._authenticator.configured)

    def configured(self) -> list[Principal]:
        """Return the principals that the configuration lets log in, as far as they can be listed."""
        return list(principals_of(self._authenticator.configured).values())

    def everyone(self) -> list[Principal]:
        """Return all principals that can be listed."""
        return [*self.configured(), *principals_of(self._enrolled).values()]

    def is_configured(self, name: str) -> bool:
        """Tell whether the configuration lets a principal of that name log in."""
        return principal_of(self._authenticator.configured, PrincipalId(name)) is not None

    def find(self, name: str) -> Principal | None:
        """Return a principal with the roles of all its credentials, or None if it is unknown."""
        return principal_of(self._authenticator, PrincipalId(name))

    def admins_without_end(self, now: datetime) -> Iterator[Principal]:
        """Yield the admins whose role and credential do not expire."""
        yield from (found for found in self.configured() if found.is_admin)
        for found in self._store.admins_without_end():
            yield Principal(PrincipalId(found.principal), roles=found.roles_at(now))

    def enrolled(self, name: str) -> EnrolledPrincipal:
        """Return a principal of the database. Raises `AdminRefusedException` that says where else it is known."""
        found = self._store.principal(name)
        if found is not None:
            return found
        if self.is_configured(name):
            text = f"'{name[:SHOWN]}' is granted by the hub's configuration: change it there, it takes effect at once"
            raise AdminRefusedException(text)
        raise AdminRefusedException(f"there is no principal '{name[:SHOWN]}'", code="not_found")

    def check_new_name(self, name: str) -> None:
        """Check the name of a new user. Raises `AdminRefusedException`."""
        if not is_user_name(name):
            raise AdminRefusedException(f"a name has 1 to {MAX_USER_NAME} characters, without spaces and colons")
        if self.is_configured(name):
            raise AdminRefusedException(f"'{name}' is granted by the hub's configuration already")
