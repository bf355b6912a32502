"""Every action of a key says what it takes, and who may not do it is told why, by the hub's word alone."""

from itertools import product
from typing import Any

from support.console import a_day_at_work, node, session, tunnel
from support.in_one_test import in_one_test

from omnyshell.clock import SystemClock
from omnyshell.model.admin import RightInfo
from omnyshell.model.live import LiveNode, OwnRights
from omnyshell.model.principals import ADMIN_ROLE
from omnyshell.services.client.live.state import HubState
from omnyshell.tui.keys import KEYS, Context
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.needs import NEEDS, need_of
from omnyshell.tui.rights import Need, why_none, why_not, why_nowhere

RIGHTS = ("shell", "exec", "watch", "kill", "forward", "files", "expose", "others")
ROLES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "admin": ((ADMIN_ROLE,), set(RIGHTS)),
    "operator": (("ops",), set(RIGHTS) - {"expose", "others"}),
    "on call": (("on-call",), {"watch", "others"}),
    "helper": (("helper",), {"watch", "others", "shell", "kill"}),
    "runner": (("runner",), {"exec"}),
    "nobody": ((), set()),
}
"""The roles of a user, and the rights that they give on the one node."""

OWN_RIGHTS: dict[Need, set[str]] = {
    Need.SHELL: {"shell"},
    Need.EXEC: {"exec"},
    Need.SESSION: {"shell", "exec"},
    Need.WATCH: {"watch"},
    Need.KILL: {"kill"},
    Need.FILES: {"files"},
    Need.EXPOSE: {"expose"},
    Need.EXPOSE_ANYWHERE: {"expose"},
}
"""The rights of which any one does."""


def lacking(*rights: str, needed: tuple[str, ...] = ("admin",), why: str = "it is so") -> tuple[RightInfo, ...]:
    return tuple(RightInfo(right=right, allowed=False, why=why, needed=needed) for right in rights)


class Says:
    """What a hub says of a user of one node."""

    def __init__(self, roles: tuple[str, ...], rights: set[str], **changes: Any) -> None:
        missing = [right for right in RIGHTS if right not in rights]
        at_home = lacking("expose") if ADMIN_ROLE not in roles else ()
        self.own: OwnRights | None = OwnRights(principal="ann", roles=roles, denied=at_home)
        self.nodes: dict[str, LiveNode] = {"web-1": node("web-1", denied=lacking(*missing), **changes)}


def test_every_action_says_what_it_takes_and_nothing_else_does() -> None:
    keys = {(key.context, key.action.partition("(")[0]) for key in KEYS}
    assert {(context, action) for context, actions in NEEDS.items() for action in actions} == keys
    assert set(NEEDS) == set(Context)


ACTIONS = sorted({(key.context, key.action) for key in KEYS})
ITEMS = {
    "node": node("web-1"),
    "own session": session(1),
    "session of bob": session(2, principal="bob"),
    "own tab": SessionRef("web-1", "s"),
    "tab of bob": SessionRef("web-1", "s", "bob"),
    "own tunnel": tunnel(1),
    "tunnel of bob": tunnel(2, principal="bob"),
}


def may(need: Need | None, name: str, roles: tuple[str, ...], rights: set[str]) -> bool:
    """What the documents say (docs/configuration.md#grants)."""
    is_theirs = "of bob" in name
    if need is None or ADMIN_ROLE in roles:
        return True
    if need is Need.ADMIN or (need is Need.OWNER and is_theirs):
        return False
    if need is Need.OWNER or (need is Need.END and not is_theirs):
        return True
    given = {"kill"} if need is Need.END else OWN_RIGHTS[need]
    is_beyond = is_theirs and need is not Need.EXPOSE_ANYWHERE
    return bool(given & rights) and ("others" in rights or not is_beyond)


@in_one_test("role", ROLES)
def test_each_action_of_each_role_is_allowed_or_answered(role: str) -> None:
    roles, rights = ROLES[role]
    says = Says(roles, rights)
    for (context, action), (name, item) in product(ACTIONS, ITEMS.items()):
        need = need_of(context, action)
        why = why_not(need, item, says)
        assert bool(why) is not may(need, name, roles, rights), (context, action, name, why)
        if why:
            assert why.endswith("."), why
            assert "an admin of this hub can" in why, "it says who can help"
            assert why.count("it takes the role") + why.count("It takes the role") == 1, "and what is missing"


@in_one_test("need", [None, *Need])
def test_a_hub_that_tells_no_rights_is_asked(need: Need | None) -> None:
    says = Says((), set())
    says.own = None
    assert [why_not(need, item, says) for item in ITEMS.values()] == [""] * len(ITEMS)


def test_what_is_denied_is_said_with_the_hubs_reason() -> None:
    says = Says(("ops",), set(RIGHTS))
    denied = lacking("shell", needed=(), why="grant 3 denies it to everybody\x1b[2J")
    says.nodes = {"web-1": node("web-1", denied=denied)}
    why = why_not(Need.SHELL, says.nodes["web-1"], says)
    assert why.startswith("You may not open or take up shells on web-1: grant 3 denies it to everybody")
    assert why.endswith("; an admin of this hub can change that.")
    assert "\x1b" not in why


def test_several_rows_are_refused_where_all_are() -> None:
    says = Says(("ops",), set(RIGHTS) - {"others"})
    mine, theirs = session(1), session(2, principal="bob")
    assert why_none(Need.KILL, [mine, theirs], says) == ""
    assert why_none(Need.KILL, [theirs], says) == why_not(Need.KILL, theirs, says) != ""
    assert why_none(Need.KILL, [theirs] * 3, says).endswith("So it is with 2 more.")
    assert why_none(Need.ADMIN, [], says) == why_not(Need.ADMIN, None, says) != ""
    assert why_none(Need.KILL, [], says) == ""


def test_what_is_nowhere_allowed() -> None:
    says = Says((), {"exec"})
    assert "look at sessions on web-1" in why_nowhere(Need.WATCH, says)
    says.nodes["web-2"] = node("web-2")
    assert why_nowhere(Need.WATCH, says) == ""
    says.nodes.clear()
    assert why_nowhere(Need.WATCH, says) == ""


def test_a_port_may_be_opened_where_one_node_or_home_allows_it() -> None:
    says = Says((), set())
    assert "open public ports anywhere" in why_not(Need.EXPOSE_ANYWHERE, None, says)
    says.nodes["web-2"] = node("web-2")
    assert why_not(Need.EXPOSE_ANYWHERE, None, says) == ""
    says.nodes.clear()
    says.own = OwnRights(principal="ann")
    assert why_not(Need.EXPOSE_ANYWHERE, None, says) == ""


def test_a_node_that_is_not_known_is_asked_about() -> None:
    assert why_not(Need.SHELL, SessionRef("elsewhere", "s"), Says((), set())) == ""


def test_the_state_of_a_hub_says_it() -> None:
    state = HubState(SystemClock())
    state.apply(a_day_at_work())
    assert state.own is None
    told = a_day_at_work()
    told.own = OwnRights(principal="ann", roles=("ops",))
    state.apply(told)
    assert why_not(Need.ADMIN, None, state)
    state.apply(a_day_at_work())
    assert why_not(Need.ADMIN, None, state) == "", "what an earlier connection said is not held against a later one"
