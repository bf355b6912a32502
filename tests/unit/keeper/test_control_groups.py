"""Limits of sessions, in a tree of plain files: few machines give their controllers away."""

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnyshell.keeper import cgroups, hierarchy
from omnyshell.keeper.cgroups import Groups
from omnyshell.keeper.group import Group
from omnyshell.keeper.held import Sessions
from omnyshell.keeper.poller import Poller
from omnyshell.keeper.users import RefusedError

LIMITS = 'session-memory = "64MiB"\nsession-processes = 20\nsession-cpu = 1.5\n'
WRITTEN = {"memory.max": str(64 << 20), "pids.max": "20", "cpu.max": "150000 100000"}


class Tree:
    """A group as systemd delegates it, with a keeper's place in it."""

    def __init__(self, root: Path, controllers: str = "cpu memory pids") -> None:
        self.base = root / "omnyshell-keeper.service"
        self.place = self.base / "omnyshell-1"
        self.place.mkdir(parents=True)
        for directory in (self.base, self.place):
            (directory / "cgroup.controllers").write_text(controllers)
            # As it is when they are given on: a plain file keeps what is written last.
            (directory / "cgroup.subtree_control").write_text(controllers)
        (self.place / "cgroup.kill").touch()
        self.file = root / "node.toml"
        self.file.write_text(LIMITS)
        self.file.chmod(0o600)
        self.poller = Poller()
        self.groups = Groups(self.poller, str(self.file))

    def open(self) -> "Tree":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cgroups, "group_of", lambda _pid: str(self.base))
            self.groups.open("omnyshell-1")
        return self

    def started(self, *pids: int) -> Group:
        """Start a session, and let the keeper do what it does then."""
        group = self.groups.next()
        assert group is not None
        with Path(group.path, "cgroup.procs").open("a", encoding="utf-8") as file:
            file.writelines(f"\n{pid}" for pid in pids)
        self.poller.run_once()
        return group


@pytest.fixture
def tree(tmp_path) -> Tree:
    return Tree(tmp_path)


def written(group: Group) -> dict[str, str]:
    return {name: Path(group.path, name).read_text() for name in WRITTEN if Path(group.path, name).exists()}


def no_room(_path: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def sleeper() -> Iterator[int]:
    process = subprocess.Popen(["sleep", "1000"])
    yield process.pid
    process.kill()
    process.wait()


def test_a_group_that_cannot_be_looked_at_is_nobody_elses(
    tree: Tree, sleeper: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sessions in one would end with each other."""
    opened = os.open
    for number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES):

        def refused(path: str, *args: int, number: int = number, **options: int) -> int:
            if str(path).endswith("cgroup.procs"):
                raise OSError(number, os.strerror(number))
            return opened(path, *args, **options)

        groups = Tree(tree.base.parent / str(number)).open().groups
        first = groups.next()
        assert first is not None
        with Path(first.path, "cgroup.procs").open("a", encoding="utf-8") as file:
            file.write(f"\n{sleeper}")
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refused)
            following = groups.next()
            assert following is not None
            assert following.path != first.path, number
            assert not groups.is_empty(first), number
            assert not groups.is_empty(following), number
        assert not groups.is_empty(first)
        shutil.rmtree(first.path)
        assert groups.is_empty(first)


def test_a_session_is_limited_once_the_keeper_has_left_its_group(tree: Tree, sleeper: int) -> None:
    tree.open().groups.check()
    group = tree.started(sleeper)
    assert written(group) == WRITTEN
    following = tree.groups.next()
    assert following is not None
    assert following.path != group.path
    assert not written(following)
    assert tree.groups.facts() == (
        os.fsencode(tree.place),
        b"",
        b"session-memory 64MiB, session-processes 20, session-cpu 1.5",
    )


@pytest.mark.parametrize("is_heard_before", [True, False])
def test_the_end_of_a_start_that_failed_ends_what_it_left_and_nobody_elses_session(
    tree: Tree, sleeper: int, is_heard_before: bool
) -> None:
    """Its group is free at once, and may have the next session in it before the child's end is heard of."""
    tree.file.write_text("kill-left-behind = true\n")
    refused = tree.open().groups.next()
    assert refused is not None
    procs, kill = Path(refused.path, "cgroup.procs"), Path(refused.path, "cgroup.kill")
    refused.forget()
    if is_heard_before:
        procs.write_text(f"{sleeper}\n")
        refused.ended()
        assert kill.read_text() == "1"
        procs.write_text("")
        return
    procs.write_text("")
    following = tree.groups.next()
    assert following is not None
    assert following.path == refused.path
    procs.write_text(f"{sleeper}\n")
    refused.ended()
    refused.signal(signal.SIGKILL)
    assert not kill.exists()
    # What is the next session's own goes on to be ended with it.
    following.ended()
    assert kill.read_text() == "1"


def test_where_a_session_has_left_nothing_the_next_one_need_not_look(
    tree: Tree, sleeper: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade tries another keeper there, which is told apart from the next session."""
    tree.file.write_text("")
    told = list[bool]()
    tree.open().groups.when_vacant = lambda: told.append(tree.groups.is_vacant)
    group = tree.groups.next()
    assert group is not None
    assert not tree.groups.is_vacant
    procs = Path(group.path, "cgroup.procs")
    tree.groups.nest.spare = os.getppid()
    procs.write_text(f"{os.getpid()}\n{os.getppid()}\n")
    group.ended()
    assert (group.is_over, told) == (True, [True])
    # Whoever is noted there is not the one that has ended.
    group.note(1, b"node", b"ended")
    assert group.noted() == (0, b"", b"")
    with monkeypatch.context() as patch:
        patch.setattr(Group, "pids", None)
        following = tree.groups.next()
    assert following is not None
    assert following.path == group.path
    procs.write_text("")
    following.ended()
    tree.groups.shared()
    procs.write_text(f"{sleeper}\n")
    after = tree.groups.next()
    assert after is not None
    assert after.path != group.path


@pytest.mark.parametrize(("controller", "key"), [("memory", "memory"), ("pids", "processes"), ("cpu", "cpu")])
def test_a_limit_that_cannot_be_held_is_refused_with_what_mends_it(tmp_path, controller: str, key: str) -> None:
    tree = Tree(tmp_path, " ".join({"cpu", "memory", "pids"} - {controller})).open()
    with pytest.raises(RefusedError, match=rf"^'session-{key}' of .*'{controller}'.*omnyshell service install node"):
        tree.groups.check()
    with pytest.raises(RefusedError):
        tree.groups.next()
    assert b"session-" + key.encode() in tree.groups.facts()[1]
    # What is not asked for need not be had.
    tree.file.write_text("".join(line for line in LIMITS.splitlines(True) if f"session-{key}" not in line))
    tree.groups.check()


def test_without_groups_there_are_no_limits_and_without_limits_no_need(tree: Tree) -> None:
    (tree.place / "cgroup.kill").unlink()
    with pytest.raises(RefusedError, match=r"cgroup\.kill, which Linux has since 5.14"):
        tree.open().groups.check()
    tree.file.write_text("")
    tree.groups.check()
    assert tree.groups.next() is None
    assert tree.groups.left == []
    tree.groups.close()
    tree.groups.take_over(Sessions())


def test_a_session_that_could_not_be_limited_after_all_is_ended(tree: Tree, sleeper: int) -> None:
    group = tree.open().groups.next()
    assert group is not None
    Path(group.path, "cgroup.procs").write_text(f"{sleeper}\n")
    # What it is in, and no file: nothing can be written into it.
    Path(group.path, "memory.max").mkdir()
    tree.poller.run_once()
    assert Path(group.path, "cgroup.kill").read_text() == "1"


def test_where_the_keeper_cannot_leave_a_group_what_would_be_limited_is_ended_one_by_one(
    tree: Tree, sleeper: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tree.open().groups.next()
    assert group is not None
    Path(group.path, "cgroup.procs").write_text(f"{os.getpid()}\n{sleeper}\n")
    sent: list[int] = []
    monkeypatch.setattr(cgroups, "_make", no_room)
    monkeypatch.setattr(Group, "_has", lambda _group, pid: pid == sleeper)
    monkeypatch.setattr(cgroups.signal, "pidfd_send_signal", lambda _pidfd, number: sent.append(number))
    tree.poller.run_once()
    assert sent == [signal.SIGKILL]


def test_the_file_is_read_anew_and_one_that_is_wrong_leaves_what_was(tree: Tree, sleeper: int, capsys) -> None:
    tree.open().groups.check()
    tree.file.write_text("session-processes = 7\n")
    assert written(tree.started(sleeper)) == {"pids.max": "7"}
    for wrong in ("session-processes = -1\n", "session-", "session-memory = 5\n"):
        tree.file.write_text(wrong)
        assert written(tree.started(sleeper)) == {"pids.max": "7"}
        assert "those that were go on to hold" in capsys.readouterr().err
    tree.file.unlink()
    assert written(tree.started(sleeper)) == {"pids.max": "7"}
    tree.file.write_text("")
    tree.file.chmod(0o600)
    assert not written(tree.started(sleeper))


def test_a_limit_that_is_changed_within_a_tick_of_the_clock_holds(tree: Tree, sleeper: int) -> None:
    tree.file.write_text("session-processes = 7\n")
    facts = tree.file.stat()
    assert written(tree.open().started(sleeper)) == {"pids.max": "7"}
    tree.file.write_text("session-processes = 8\n")
    os.utime(tree.file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert written(tree.started(sleeper)) == {"pids.max": "8"}


@pytest.mark.parametrize("wrong", ["session-cpu = 0\n", "[[", "session-memory = []\n"])
def test_a_keeper_does_not_begin_with_a_file_that_is_wrong(tree: Tree, wrong: str) -> None:
    tree.file.write_text(wrong)
    with pytest.raises(RefusedError, match="limits of sessions cannot be read"):
        tree.open().groups.check()


def test_limits_that_others_could_write_are_none(tree: Tree) -> None:
    tree.file.chmod(0o622)
    with pytest.raises(RefusedError, match="others can write"):
        tree.open().groups.check()
    # Nothing in it is a limit.
    tree.file.write_text("id = 'box'\n")
    tree.groups.check()


def test_a_login_is_limited_in_the_group_that_the_system_makes_for_it(
    tree: Tree, sleeper: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = tree.base.parent / "user-1000.slice" / "session-c4.scope"
    scope.mkdir(parents=True)
    group = tree.open().groups.next()
    assert group is not None
    monkeypatch.setattr(cgroups, "path_of", lambda _pid: os.fsencode(scope))
    monkeypatch.setattr(cgroups, "group_of", lambda _pid: str(scope))
    found = tree.groups.moved(group, sleeper)
    assert found is not None
    assert found.path == str(scope)
    assert written(found) == WRITTEN
    found.signal(signal.SIGKILL)
    assert (scope / "cgroup.kill").read_text() == "1"
    found.forget()
    assert scope.exists()
    # Where it was born is free again.
    following = tree.groups.next()
    assert following is not None
    assert following.path == group.path


def test_groups_that_are_taken_over_are_limited_anew(tree: Tree, sleeper: int) -> None:
    left = tree.place / "5"
    left.mkdir()
    (left / "cgroup.procs").write_text(f"{sleeper}\n")
    tree.open().groups.take_over(Sessions())
    assert {name: (left / name).read_text() for name in WRITTEN} == WRITTEN
    assert [group.path for group in tree.groups.left] == [str(left), str(tree.place / "6")]


@pytest.mark.parametrize("elsewhere", ["session-1.scope/more", "run-7.scope", "user.slice", "session-x y.scope"])
def test_a_group_that_is_no_logins_is_not_taken_for_the_sessions(
    tree: Tree, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tree.open().groups.next()
    monkeypatch.setattr(cgroups, "path_of", lambda _pid: os.fsencode(tree.base.parent / elsewhere))
    monkeypatch.setattr(cgroups, "group_of", lambda _pid: str(tree.base.parent / elsewhere))
    assert tree.groups.moved(group, os.getpid()) is group


def test_the_group_of_a_process_is_found_by_what_is_mounted(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a place"
    (place / "b").mkdir(parents=True)
    shown = str(place).replace(" ", "\\040")
    files = {
        "/proc/7/cgroup": ["4:memory:/x", "0::/inside/b"],
        "/proc/8/cgroup": ["0::/elsewhere"],
        "/proc/9/cgroup": ["0::/../outside"],
        "/proc/10/cgroup": ["4:memory:/x"],
        "/proc/self/mountinfo": [
            f"22 1 0:4 /inside {shown} rw,nosuid shared:9 - tmpfs tmpfs rw",
            "23 1 0:5 /inside /nowhere rw - cgroup2 cgroup2 rw",
            f"24 1 0:5 /inside {shown} rw,nosuid shared:9 - cgroup2 cgroup2 rw",
        ],
    }
    monkeypatch.setattr(hierarchy, "read", lambda path: [line.encode() for line in files[path]])
    assert hierarchy.group_of(7) == str(place / "b")
    assert [hierarchy.group_of(pid) for pid in (8, 9, 10)] == ["", "", ""]
