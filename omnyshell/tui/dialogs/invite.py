"""The form by which a node or a user is invited."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from textual.widget import Widget
from textual.widgets import Select, Static

from omnyshell.hosts import LOCALHOST, is_loopback
from omnyshell.model.admin import InviteKind
from omnyshell.protocol.messages.admin import InviteCreate
from omnyshell.services.local.listening import ALL, is_address, warning
from omnyshell.services.local.reach import Reach
from omnyshell.tui.dialogs.boxed import row
from omnyshell.tui.dialogs.dialog import Dialog, choice, field
from omnyshell.tui.dialogs.reading import Reading, filled, node_id
from omnyshell.tui.dialogs.session import pairs
from omnyshell.tui.tasks import in_own_thread, start_task

NODE, FLEET, PERSON = "node", "fleet", "user"
KINDS = (("a machine, as a node", NODE), ("several machines, as nodes", FLEET), ("a person", PERSON))
ASKED_OF = {
    NODE: ("name", "labels"),
    FLEET: ("uses", "prefix", "labels"),
    PERSON: ("name", "roles"),
}
"""The fields for each kind of invite; terms apply to all."""

LIFETIMES = (("15 minutes", "900"), ("1 hour", "3600"), ("1 day", "86400"))
TERMS = (("for good", ""), ("8 hours", "28800"), ("1 day", "86400"), ("30 days", "2592000"))
"""For how long the joining node or user can log in, and has the roles."""


ALL_SHOWN = dict(zip(ALL, ("all IPv4 addresses of this machine", "all addresses of this machine"), strict=True))
ALONE = "The hub listens on this machine's loopback alone: choose where another machine is to reach it."
BY_ADDRESS = "Who joins by an address does not find this machine where it gets another one; a name goes with it."
NO_USE = "No other machine can use this invite."
NOT_OURS = f"{NO_USE} Log in by the name by which others dial this hub: the invite names that."


class WantedInvite(NamedTuple):
    """An invite to make, and where this machine's hub is to listen for who joins; None where that is not asked."""

    request: InviteCreate
    host: str | None = None


class InviteDialog(Dialog[WantedInvite]):
    """Whom to invite, and as what; for a hub that no other machine reaches also where it is to listen."""

    TITLE = "Invite"
    ACTION = "Invite"

    def __init__(
        self, act: Callable[[WantedInvite], Awaitable[None]] | None = None, reach: Reach | None = None
    ) -> None:
        """`reach` is that of a hub at a loopback address."""
        super().__init__(act)
        self._reach = reach

    def form(self) -> Iterable[Widget]:
        """A node with id and labels, several nodes with a common prefix of their ids, or a user with name and roles."""
        yield row("Invite", choice("kind", KINDS, NODE))
        yield row("Name", field("name", hint="node id, empty for the machine's own name"))
        yield row("Machines", field("uses", hint="100: how many may join"))
        yield row("Id prefix", field("prefix", hint="web-: what their ids begin with, or nothing"))
        yield row("Labels", field("labels", hint="env=prod role=web"))
        yield row("Roles", field("roles", "developer", "developer, admin"))
        yield row("Access", choice("term", TERMS, ""))
        yield row("Good for", choice("ttl", LIFETIMES, "900"))
        if self._reach is None:
            return
        if self._reach.is_ours:
            yield row("Reached at", choice("reach", _places(self._reach), _at_first(self._reach)))
        yield Static(self._meaning(), id="meaning", classes="text", markup=False)

    def _meaning(self) -> str:
        """What is to be known of where others reach the hub."""
        assert self._reach is not None  # noqa: S101
        if not self._reach.is_ours:
            return NOT_OURS
        chosen = self.value("reach") if self.is_mounted else _at_first(self._reach)
        if not chosen:
            return ALONE
        if is_loopback(chosen):
            return NO_USE
        stays = BY_ADDRESS if is_address(chosen) else ""
        return stays if chosen == self._reach.host else f"{warning(chosen)} {stays}".strip()

    def on_mount(self) -> None:
        """Begin with the form for a node."""
        self._show_what_applies()
        self.query_one("#name").focus()
        if self._reach is not None and self._reach.is_ours:
            start_task(self, self._offer_names(self._reach), "Looking for names of this machine")

    async def _offer_names(self, reach: Reach) -> None:
        """Offer names too, once they are known."""
        names = await in_own_thread(reach.names)
        if names:
            select = self.query_one("#reach", Select)
            # The choice stays as it is.
            with self.prevent(Select.Changed):
                chosen = select.value
                select.set_options(_places(reach, names))
                select.value = chosen

    def on_select_changed(self) -> None:
        """Show the fields that the kind needs, and what the choice of an address means."""
        self._show_what_applies()
        if self._reach is not None:
            self.query_one("#meaning", Static).update(self._meaning())
        self.on_input_changed()

    def read(self, reading: Reading) -> WantedInvite:
        """The invite to make."""
        is_asked = self._reach is not None and self._reach.is_ours
        host = reading.take("reach", filled("Where does another machine reach it?"), "") if is_asked else None
        return WantedInvite(self._request(reading), host)

    def _request(self, reading: Reading) -> InviteCreate:
        ttl, term, kind = int(self.value("ttl")), int(self.value("term") or 0) or None, self.value("kind")
        if kind != PERSON:
            is_fleet = kind == FLEET
            return InviteCreate(
                request_id="",
                kind=InviteKind.NODE,
                node_id=None if is_fleet else reading.take("name", optional_node_id, None),
                uses=reading.take("uses", how_many, 1) if is_fleet else None,
                id_prefix=reading.take("prefix", optional_node_id, None) if is_fleet else None,
                labels=reading.take("labels", pairs, dict[str, str]()),
                ttl_seconds=ttl,
                key_ttl_seconds=term,
            )
        name = reading.take("name", filled("Who is invited?"), "")
        roles = reading.take("roles", role_names, tuple[str, ...]())
        return InviteCreate(
            request_id="",
            kind=InviteKind.USER,
            principal=name,
            roles=roles,
            ttl_seconds=ttl,
            role_ttl_seconds=term,
            key_ttl_seconds=term,
        )

    def _show_what_applies(self) -> None:
        asked = ASKED_OF[self.value("kind")]
        for name in {name for names in ASKED_OF.values() for name in names}:
            line = self.query_one(f"#{name}").parent
            if isinstance(line, Widget):
                line.display = name in asked


def _places(reach: Reach, names: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Where the hub can listen; where nobody reaches it yet, first what a choice has to replace."""
    named = {name: f"{name} (the name of this machine)" for name in names}
    known = named | {one.address: str(one) for one in reach.addresses} | ALL_SHOWN
    if reach.is_loopback:
        yield "choose an address", ""
    else:
        yield known.pop(reach.host, reach.host), reach.host
    yield from ((text, address) for address, text in known.items())
    if reach.is_loopback:
        yield f"{LOCALHOST}: this machine alone", LOCALHOST


def _at_first(reach: Reach) -> str:
    return "" if reach.is_loopback else reach.host


def optional_node_id(text: str) -> str | None:
    """Read a node id, or nothing. Raises `ValueError` that says what is wrong."""
    return node_id(text) or None


def how_many(text: str) -> int:
    """Read a number of machines. Raises `ValueError` that says what is wrong."""
    number = filled("How many machines?")(text)
    if not (number.isascii() and number.isdigit() and len(number) <= 5 and int(number)):
        raise ValueError("A number, such as 100.")
    return int(number)


def role_names(text: str) -> tuple[str, ...]:
    """Read names of roles. Raises `ValueError` where there is none."""
    roles = tuple(text.replace(",", " ").split())
    if not roles:
        raise ValueError("Without any, nobody may do anything; developer and admin are two.")
    return roles
