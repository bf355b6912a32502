"""What holds of each column of each panel, and of each field that its filter knows."""

from collections.abc import Mapping
from itertools import pairwise

from support.console import NOW, StillClock, node, session
from support.in_one_test import in_one_test
from support.panels import COLUMNS, PANELS, column, fields, items, rows

from omnyshell.model.live import NodePresence
from omnyshell.tui.formats import fitted
from omnyshell.tui.panels.columns import FALLING, RISING, place
from omnyshell.tui.panels.details import labels
from omnyshell.tui.panels.fields import Labels, Number
from omnyshell.tui.panels.rows import Rows

KINDS = {"Text": str, "Number": int | float | None, "Labels": Mapping}


@in_one_test("name", PANELS)
def test_a_visible_title_has_room_for_itself_and_an_arrow_at_any_width(name: str) -> None:
    columns = PANELS[name].COLUMNS
    for width in range(max(one.least for one in columns), 250):
        for placed in place(columns, width):
            for arrow in (RISING, FALLING):
                title = f"{placed.column.title}{arrow}"
                assert fitted(title, placed.width, right=placed.column.right).strip() == title


@in_one_test("name", PANELS)
def test_no_two_columns_or_fields_have_a_name(name: str) -> None:
    titles = [one.title for one in PANELS[name].COLUMNS]
    names = [field.name for field in fields(name)]
    assert len(titles) == len(set(titles))
    assert len(names) == len(set(names))
    assert all(field.about and not field.about.endswith(".") for field in fields(name))
    assert list(rows(name).fields) == names


@in_one_test("name", PANELS)
def test_a_field_reads_what_it_says(name: str) -> None:
    for field in fields(name):
        read = [field.read(item, NOW) for item in items(name)]
        assert all(isinstance(value, KINDS[type(field).__name__]) for value in read), field.name


@in_one_test(("name", "number"), COLUMNS)
@in_one_test("is_reversed", [False, True])
def test_the_arrow_says_which_end_is_first_and_what_is_not_known_is_last(
    name: str, number: int, is_reversed: bool
) -> None:
    shown = rows(name)
    shown.sort(number, is_reversed=is_reversed)
    orders = [column(name, number).order(item, NOW) for item in shown.shown]
    known = [order for order in orders if order is not None]
    assert orders == known + [None] * (len(orders) - len(known))
    assert all(one >= other if shown.falls else one <= other for one, other in pairwise(known))


@in_one_test(("name", "number"), COLUMNS)
def test_a_number_that_is_ordered_as_such_is_the_one_that_the_arrow_speaks_of(name: str, number: int) -> None:
    field = column(name, number).field
    if not isinstance(field, Number) or column(name, number).sort is not None:
        return
    shown = rows(name)
    shown.sort(number)
    values = [value for item in shown.shown if (value := field.read(item, NOW)) is not None]
    assert values == sorted(values, reverse=shown.falls)


@in_one_test("name", PANELS)
def test_each_field_finds_what_it_reads_and_its_opposite_the_rest(name: str) -> None:
    for field in fields(name):
        found, rest = rows(name), rows(name)
        for item in items(name):
            value = field.read(item, NOW)
            if isinstance(field, Labels):
                value = next(iter(value), "")
            if value in ("", None):
                continue
            term = f'{field.name}:"{value}"' if isinstance(value, str) else f"{field.name}:>={value}"
            found.filter(term)
            rest.filter(f"-{term}")
            assert item in found.shown, term
            assert item not in rest.shown, term
            assert len(found.shown) + len(rest.shown) == found.total


@in_one_test("name", PANELS)
def test_what_is_not_known_matches_no_number(name: str) -> None:
    for field in fields(name):
        if isinstance(field, Number):
            shown = rows(name)
            for term in ("0", ">=0", "<0", "<=0"):
                shown.filter(f"{field.name}:{term}")
                assert all(field.read(item, NOW) is not None for item in shown.shown)


def test_sessions_that_may_wait_in_a_node_that_is_offline_are_not_none() -> None:
    shown = rows("Nodes")
    shown.put([node("idle"), node("gone", state=NodePresence.OFFLINE, sessions=0), node("kept", sessions=None)])
    shown.filter("sessions:0")
    assert [one.node_id for one in shown.shown] == ["idle"]
    sess = next(one for one in PANELS["Nodes"].COLUMNS if one.title == "SESS")
    shown.filter("")
    assert [sess.cell(one, NOW).text for one in shown.shown] == ["0", "-", "-"]


def test_a_filter_for_ages_holds_as_time_passes() -> None:
    clock = StillClock()
    panel = PANELS["Nodes"]
    shown: Rows = Rows(panel.COLUMNS, lambda one: one.node_id, clock, panel.FIELDS)
    shown.put([node("web-1"), node("web-2", last_heard_at=None)])
    shown.filter("heard:>1m")
    assert shown.shown == []
    clock.advance(60)
    shown.refresh()
    assert [one.node_id for one in shown.shown] == ["web-1"]


def test_a_number_of_digits_without_end_is_ordered() -> None:
    shown = rows("Sessions")
    shown.put([session(1, command="9" * 5_000), session(2, command="1")])
    shown.sort(next(index for name, index in COLUMNS if name == "Sessions" and column(name, index).title == "COMMAND"))
    assert [one.command[0] for one in shown.shown] == ["1", "9"]


@in_one_test(
    ("address", "shown"),
    [("192.0.2.7:40312", "192.0.2.7"), ("192.0.2.7", "192.0.2.7"), ("[2001:db8::7]:40312", "2001:db8::7"),
     ("2001:db8::7", "2001:db8::7"), ("", "")],
)  # fmt: skip
def test_an_address_has_no_port(address: str, shown: str) -> None:
    column = next(one for one in PANELS["Nodes"].COLUMNS if one.title == "ADDRESS")
    assert column.cell(node("n1", address=address), NOW).text == shown


def test_labels_that_tell_machines_apart_come_before_who_may_use_them() -> None:
    assert labels({"allow-roles": "dev,ops", "env": "prod", "app": "shop"}) == "app=shop env=prod allow-roles=dev,ops"
