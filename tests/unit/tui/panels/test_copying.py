"""The fields of a row that are offered for copying."""

from support.console import NOW, StillClock
from support.in_one_test import in_one_test
from support.panels import PANELS, items

from omnyshell.services.client.live.state import HubState
from omnyshell.tui.panels.copying import fields_of
from omnyshell.tui.panels.processes import ProcessesPanel


@in_one_test("name", PANELS)
def test_nothing_is_offered_twice(name: str) -> None:
    made = PANELS[name]
    more = ("web-1",) if made is ProcessesPanel else ()
    panel = made(HubState(), StillClock(), *more)
    for item in items(name):
        found = list(fields_of(panel, item, NOW))
        titles = [title for title, _ in found if title != "LABELS"]
        assert len(titles) == len(set(titles))
        assert len({text for _, text in found}) == len(found)
        assert not {"PROTO", "PROTOCOL"} <= set(titles)
