"""What `cluster status` and the console's list of hubs say, by what is known of the hubs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.in_one_test import in_one_test

from omnyshell.cli.cluster.members import _show
from omnyshell.model.live import HubLease, LiveHub
from omnyshell.services.hub.cluster.members.identity import Identity
from omnyshell.services.hub.cluster.nats.streams import Copies
from omnyshell.services.hub.cluster.status import HubSays, Status
from omnyshell.tui.screens.hubs import warnings_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWN = Identity("c", "g", "a", "a", b"", (), NOW)
OTHER_AUTHORITY = (
    "the certificate of b is of another authority than this hub's: nodes and clients that trust one of them alone "
    "do not go from one to the other when a hub ends"
)
CLOCK = "the clock of hub b is 2h behind the others': set it right there"
QUIET = "hub b is silent for 12s: was it stopped, or cut off?"
LAPSED = "hub b was last heard of 16s ago: start it again, or `omnyshell cluster remove b` if it is lost for good"


def hub(name: str, age: float | None = 1.0, authority: str = "one", **changes: Any) -> HubSays:
    files = {"certificate-authority": authority, "grants": "same"} if authority else {"grants": "same"}
    return HubSays(name, age, files=files, url=f"wss://{name}.example", **changes)


@in_one_test(
    ("hubs", "cell", "warnings"),
    [
        ((hub("a"), hub("b")), "1 s ago", []),
        ((hub("a"), hub("b", authority="other")), "1 s ago", [f"warning    {OTHER_AUTHORITY}"]),
        ((hub("a"), hub("b", authority="")), "1 s ago", []),
        ((hub("a", authority=""), hub("b")), "1 s ago", []),
        ((hub("a"), hub("b", 10.0)), "10 s ago", []),
        ((hub("a"), hub("b", 12.0)), "silent for 12 s", [f"warning    {QUIET}"]),
        ((hub("a"), hub("b", 16.0)), "silent for 16 s", [f"WARNING    {LAPSED}"]),
        ((hub("a"), hub("b", clock_off=-7200.0)), "1 s ago", [f"WARNING    {CLOCK}"]),
        # The engine takes nobody's beats, as while it elects a leader.
        ((hub("a", 9.0), hub("b", 12.0)), "12 s ago", []),
        ((hub("a"), hub("b", 12.0, has_stopped=True)), "12 s ago, as it stopped", []),
        ((hub("a"), hub("b", weight=0)), "1 s ago, takes nobody new", []),
        ((hub("a"), hub("b", weight=0, has_stopped=True)), "1 s ago, as it stopped", []),
    ],
)
def test_the_status_warns_of_hubs_that_are_silent_and_of_another_authority(
    hubs: tuple[HubSays, ...], cell: str, warnings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _show(Status(OWN, ("a", "b"), 1, Copies(1, "s", 1, 1), hubs=hubs, links={"b": NOW}))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.lower().startswith("warning")] == warnings
    assert f"b       {cell}  " in lines[-1]


def live(name: str, **changes: Any) -> LiveHub:
    values: dict[str, Any] = {
        "hub": name,
        "is_told": True,
        "own": name == "a",
        "url": f"wss://{name}.example",
        "link_since": NOW,
        "lease": HubLease.HELD,
        "heard_at": NOW - timedelta(seconds=1),
    }
    return LiveHub(**values | changes)


@in_one_test(
    ("changes", "warnings"),
    [
        ({}, []),
        ({"unlike": ("certificate-authority",)}, [OTHER_AUTHORITY]),
        ({"clock_off": -7200}, [CLOCK]),
        ({"lease": HubLease.SILENT, "heard_at": NOW - timedelta(seconds=12), "link_since": None}, [QUIET]),
        ({"lease": HubLease.LAPSED, "heard_at": NOW - timedelta(seconds=16)}, [LAPSED]),
        ({"lease": HubLease.ENGINE_AWAY, "heard_at": NOW - timedelta(seconds=60)}, []),
    ],
)
def test_the_console_warns_in_the_same_words(changes: dict[str, Any], warnings: list[str]) -> None:
    assert list(warnings_of([live("a"), live("b", **changes)], NOW)) == warnings
