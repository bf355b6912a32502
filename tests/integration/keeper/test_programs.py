"""What programs get of a keeper, and what they do not."""

import os
import pwd
import re
import signal
import subprocess
from pathlib import Path

import pytest
from support.keepers import KeeperProcess, read_all, read_until

from omnyshell.keeper import wire


def settle(node, session: bytes) -> None:
    """End a session, whatever it does, and forget it."""
    node.ask(wire.SIGNAL, session, wire.SESSION, b"9")
    node.exit_of(session)
    assert node.ask(wire.STOP_READING, session) == [wire.OK]
    assert node.ask(wire.FORGET, session) == [wire.OK]


def close(found: dict[str, int]) -> None:
    for fd in found.values():
        os.close(fd)


def test_exit_codes_are_those_of_popen(keeper: KeeperProcess) -> None:
    node = keeper.node(b"codes")
    for session, line, code in (
        (b"a", b"exit 0", b"0"),
        (b"b", b"exit 255", b"255"),
        (b"c", b"kill -9 $$", b"-9"),
        (b"d", b"kill -ABRT $$", b"-6"),
    ):
        found = node.script(session, line)
        assert node.exit_of(session) == code
        close(found)
        node.ask(wire.FORGET, session)
    node.close()


def test_a_program_has_three_descriptors_its_variables_and_its_signals(keeper: KeeperProcess) -> None:
    node = keeper.node(b"clean")
    line = b"ls /proc/self/fd; env; grep -E 'Sig(Blk|Ign)' /proc/self/status; ulimit -n; pwd"
    for kind in (wire.PIPES, wire.PTY):
        found = node.start(b"s", b"/bin/sh", b"-c", line, kind=kind, env=(b"PATH=/usr/bin:/bin", b"GREETING=hello"))
        output = read_all(found["stdout" if kind == wire.PIPES else "terminal"]).decode().split()
        assert node.exit_of(b"s") == b"0"
        # The fourth is the directory that `ls` looks at.
        assert output[:4] == ["0", "1", "2", "3"]
        names = {word.partition("=")[0] for word in output if re.fullmatch(r"\w+=.*", word)}
        assert names <= {"PATH", "GREETING", "PWD", "SHLVL", "_", "OLDPWD"}
        assert "GREETING=hello" in output
        assert output[output.index("SigBlk:") + 1] == "0" * 16
        # The C library's own two, which no program may use, it leaves ignored.
        assert int(output[output.index("SigIgn:") + 1], 16) & ~(3 << 31) == 0
        assert output[-2:] == [str(os.sysconf("SC_OPEN_MAX")), "/"]
        close(found)
        node.ask(wire.FORGET, b"s")
    node.close()


def test_a_terminal_controls_its_program_and_has_its_size(keeper: KeeperProcess) -> None:
    node = keeper.node(b"terminal")
    found = node.start(
        b"s", b"/bin/sh", b"-c", b"tty; stty size; ps -o tty= -p $$; echo ready; exec cat", kind=wire.PTY
    )
    # A shell that waits for a program takes no ctrl+c for itself which that one has survived.
    shown = read_until(found["terminal"], b"ready\r\n").decode()
    assert "/dev/pts/" in shown
    assert "24 80\r\npts/" in shown
    os.write(found["terminal"], b"\x03")
    assert node.exit_of(b"s") == b"-2"
    close(found)
    node.ask(wire.FORGET, b"s")
    node.close()


@pytest.mark.parametrize("kind", [wire.PTY, wire.QUIET_PTY])
def test_a_quiet_terminal_does_not_echo(keeper: KeeperProcess, kind: bytes) -> None:
    node = keeper.node(b"quiet")
    found = node.script(b"s", b"read line; echo got it; exec cat", kind=kind)
    os.write(found["terminal"], b"typed\n")
    shown = read_until(found["terminal"], b"got it")
    assert (b"typed" in shown) is (kind == wire.PTY)
    settle(node, b"s")
    close(found)
    node.close()


@pytest.mark.parametrize(
    ("words", "cwd", "reason"),
    [
        ((b"/bin/no-such-program",), b"/", "No such file or directory"),
        ((b"/etc/passwd",), b"/", "Permission denied"),
        ((b"/bin/true",), b"/no/such/directory", "No such file or directory"),
        ((b"/bin/true", b"x" * 200_000), b"/", "Argument list too long"),
    ],
)
def test_what_cannot_be_started_is_told_in_the_systems_words(
    keeper: KeeperProcess, words: tuple[bytes, ...], cwd: bytes, reason: str
) -> None:
    node = keeper.node(b"cannot")
    before = keeper.descriptors(node)
    answer = node.ask(*node.start_request(b"s", *words, cwd=cwd))
    assert answer == [wire.NO, wire.CANNOT, reason.encode()]
    assert node.ask(wire.LIST) == [wire.OK]
    # The id is free again, and nothing is left open, nor waits to be waited for.
    found = node.script(b"s", b"exit 3")
    assert node.exit_of(b"s") == b"3"
    close(found)
    node.ask(wire.FORGET, b"s")
    assert keeper.descriptors(node) == before
    assert not Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text()
    node.close()


def test_no_other_user_is_had(keeper: KeeperProcess) -> None:
    node = keeper.node(b"other-user")
    request = list(node.start_request(b"s", b"/bin/true"))
    request[6] = b"ann\n\nnobody\n"
    assert node.ask(*request) == [
        *(wire.NO, wire.REFUSED),
        f"All programs of this node are {pwd.getpwuid(os.geteuid()).pw_name}'s: it has no [users]".encode(),
    ]
    # Its child is waited for, and the id is free.
    close(node.script(b"s", b"exit 0"))
    assert node.exit_of(b"s") == b"0"
    node.ask(wire.FORGET, b"s")
    assert not Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text()
    node.close()


def test_one_id_is_one_session(keeper: KeeperProcess) -> None:
    node = keeper.node(b"one-id")
    found = node.script(b"s", b"exec cat")
    assert node.ask(*node.start_request(b"s", b"/bin/true"))[:2] == [wire.NO, wire.EXISTS]
    assert node.ask(wire.FORGET, b"s")[:2] == [wire.NO, wire.ORDER]
    settle(node, b"s")
    close(found)
    node.close()


def test_stdin_ends_when_both_have_closed_it(keeper: KeeperProcess) -> None:
    node = keeper.node(b"stdin")
    found = node.script(b"s", b"cat; echo ended")
    os.write(found["stdin"], b"words\n")
    os.close(found.pop("stdin"))
    assert read_until(found["stdout"], b"words\n") == b"words\n"
    assert node.ask(wire.LIST)[3] == wire.RUNNING
    assert node.ask(wire.CLOSE_STDIN, b"s") == [wire.OK]
    assert read_all(found["stdout"]) == b"ended\n"
    assert node.exit_of(b"s") == b"0"
    close(found)
    node.ask(wire.FORGET, b"s")
    node.close()


def test_who_writes_is_told_when_nobody_reads(keeper: KeeperProcess) -> None:
    node = keeper.node(b"sigpipe")
    found = node.script(b"s", b"exec yes")
    read_until(found["stdout"], b"y\n")
    close(found)
    assert node.ask(wire.LIST)[3] == wire.RUNNING
    assert node.ask(wire.STOP_READING, b"s") == [wire.OK]
    assert node.exit_of(b"s") == b"-13"
    node.ask(wire.FORGET, b"s")
    node.close()


def test_a_terminal_hangs_up_when_nobody_holds_it(keeper: KeeperProcess) -> None:
    node = keeper.node(b"hang-up")
    found = node.script(b"s", b"exec cat", kind=wire.PTY)
    close(found)
    assert node.ask(wire.STOP_READING, b"s") == [wire.OK]
    assert node.exit_of(b"s") == b"-1"
    node.ask(wire.FORGET, b"s")
    node.close()


def test_signals_go_to_the_foreground_or_to_all(keeper: KeeperProcess) -> None:
    node = keeper.node(b"signals")
    line = b"trap 'echo shell' INT; sh -c 'echo $$ > /dev/null; echo ready; exec sleep 100'; echo went on; exec cat"
    found = node.start(b"s", b"/bin/bash", b"-m", b"-c", line, kind=wire.PTY)
    read_until(found["terminal"], b"ready")
    pid, name, cwd = node.ask(wire.WHERE, b"s")[1:]
    assert (name, cwd) in ((b"sleep", b"/"), (b"sh", b"/"))
    assert int(pid) > 1
    node.ask(wire.SIGNAL, b"s", wire.GROUP, b"%d" % signal.SIGINT)
    assert b"shell" not in read_until(found["terminal"], b"went on")
    node.ask(wire.SIGNAL, b"s", wire.SESSION, b"%d" % signal.SIGHUP)
    node.exit_of(b"s")
    close(found)
    node.ask(wire.FORGET, b"s")
    node.close()


def test_a_hang_up_reaches_who_is_stopped(keeper: KeeperProcess) -> None:
    node = keeper.node(b"stopped")
    found = node.script(b"s", b"kill -STOP $$; exit 1")
    assert node.ask(wire.SIGNAL, b"s", wire.SESSION, b"1") == [wire.OK]
    assert node.exit_of(b"s") in (b"-1", b"1")
    close(found)
    node.ask(wire.FORGET, b"s")
    node.close()


def test_what_the_leader_leaves_behind_is_still_reached(keeper: KeeperProcess) -> None:
    node = keeper.node(b"left")
    found = node.script(b"s", b"sleep 100 & exit 0")
    assert node.exit_of(b"s") == b"0"
    leader = int(node.ask(wire.LIST)[2])
    # The leader is not waited for yet, so its id names the session and nothing else.
    assert Path(f"/proc/{leader}").exists()
    node.ask(wire.SIGNAL, b"s", wire.SESSION, b"9")
    assert read_all(found["stdout"]) == b""
    node.ask(wire.STOP_READING, b"s")
    assert not Path(f"/proc/{leader}").exists()
    assert node.ask(wire.WHERE, b"s") == [wire.OK, b"0", b"", b""]
    close(found)
    node.ask(wire.FORGET, b"s")
    node.close()


def test_memory_outlives_who_wrote_it_and_does_not_grow(keeper: KeeperProcess) -> None:
    node = keeper.node(b"memory")
    found = node.script(b"s", b"exit 0")
    node.exit_of(b"s")
    os.pwrite(found["record"], b"remembered", 1 << 20)
    with pytest.raises(PermissionError):
        os.pwrite(found["record"], b"x", 1 << 30)
    close(found)
    again = node.named(node.ask(wire.TAKE, b"s"))
    assert os.pread(again["record"], 10, 1 << 20) == b"remembered"
    close(again)
    node.ask(wire.FORGET, b"s")
    node.close()


def test_nothing_is_left_of_what_was_forgotten(keeper: KeeperProcess) -> None:
    node = keeper.node(b"count")
    before = keeper.descriptors(node)
    for number in range(20):
        found = node.script(b"s%d" % number, b"exit 0", kind=wire.PTY if number % 2 else wire.PIPES)
        node.exit_of(b"s%d" % number)
        close(found)
        assert node.ask(wire.FORGET, b"s%d" % number) == [wire.OK]
    assert keeper.descriptors(node) == before
    assert not Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text()
    node.close()


def test_the_keeper_is_small_and_rests(keeper: KeeperProcess) -> None:
    facts = dict(line.split(":\t") for line in Path(f"/proc/{keeper.pid}/status").read_text().splitlines())
    assert int(facts["VmRSS"].split()[0]) < 16 * 1024
    assert facts["Threads"] == "1"
    assert Path(f"/proc/{keeper.pid}/wchan").read_text() in ("ep_poll", "do_epoll_wait", "0")


def test_it_loads_nothing_but_the_standard_library_and_itself(keeper: KeeperProcess) -> None:
    maps = Path(f"/proc/{keeper.pid}/maps").read_text()
    assert "site-packages" not in maps
    command = Path(f"/proc/{keeper.pid}/cmdline").read_bytes().split(b"\0")
    program = "import sys; sys.argv = ['keeper']; sys.path.insert(0, '')\n"
    program += "import runpy\ntry: runpy.run_path(%r, run_name='__main__')\nexcept SystemExit: pass\n"
    program += (
        "print([name for name in sys.modules if 'site-packages' in str(getattr(sys.modules[name], '__file__', ''))])"
    )
    done = subprocess.run(
        [command[0], "-I", "-S", "-c", program % command[3].decode()], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[]\n"
