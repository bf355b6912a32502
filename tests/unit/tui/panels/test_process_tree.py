"""Processes of sessions as trees."""

from omnyshell.model.vitals import SessionProcess
from omnyshell.tui.panels.process_tree import DEEPEST, ProcessTrees


def process(pid: int, parent: int = 1, session: int = 1, **changes: int) -> SessionProcess:
    id_ = f"0a1b2c3d-0000-4000-8000-{session:012x}"
    return SessionProcess(session_id=id_, pid=pid, parent=parent, command=f"p{pid}", **changes)


def drawn(*processes: SessionProcess) -> list[str]:
    return [row.branch + row.process.command for row in ProcessTrees().rows(processes, 1.0)]


def test_each_session_is_a_tree_with_its_children_in_order() -> None:
    told = (process(9, 5), process(20, session=2), process(7, 5), process(5), process(8, 7), process(21, 20, 2))
    assert drawn(*told) == [
        "p5", "├─ p7", "│  └─ p8", "└─ p9", "p20", "└─ p21",
    ]  # fmt: skip


def test_circles_and_what_is_told_twice_stand_once() -> None:
    assert sorted(drawn(process(2, 3), process(3, 2), process(4, 4), process(0, 0), process(5), process(5))) == [
        "p0", "p2", "p4", "p5", "└─ p3",
    ]  # fmt: skip


def test_a_deep_tree_is_drawn_to_a_bound() -> None:
    deep = drawn(*(process(pid, pid - 1) for pid in range(2, 302)))
    assert len(deep) == 300
    assert len(deep[-1].partition("p")[0]) == 3 * (DEEPEST + 1)


def test_how_busy_a_process_is_takes_two_answers() -> None:
    trees = ProcessTrees()
    assert [row.cpu for row in trees.rows([process(5, cpu_millis=1_000)], 10.0)] == [None]
    told = [process(5, cpu_millis=2_500), process(6, cpu_millis=9)]
    assert [row.cpu for row in trees.rows(told, 13.0)] == [50.0, None]
    assert [row.cpu for row in trees.rows([process(5, cpu_millis=9_999)], 13.5)] == [50.0]
    assert [row.cpu for row in trees.rows([process(5, cpu_millis=7)], 16.0)] == [None]
