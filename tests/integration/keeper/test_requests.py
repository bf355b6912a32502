"""What a keeper answers, and what it does not put up with."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import BinaryIO

import pytest
from support.deadline import DEADLINE
from support.keepers import SHELL, KeeperProcess, RawNode, connected, read_until
from unit.keeper.test_wire import GOOD, body, malformed

from omnyshell.keeper import wire

OF_ALL = (wire.HELLO, wire.UPGRADE, wire.STOP, wire.STATUS)
NOBODY = 65534
MOST_SENT = 64 * 1024 * 1024
HARMLESS = [verb for verb in GOOD if verb not in (wire.STOP, wire.UPGRADE)]


def say(keeper: KeeperProcess, *frames: bytes) -> RawNode:
    """Say these over a connection of its own, as they are."""
    node = RawNode(keeper.connected())
    for frame in frames:
        node.channel.sendall(len(frame).to_bytes(4, "big") + frame)
    return node


def hello(node: bytes) -> bytes:
    return body(wire.HELLO, b"1", b"1", node)


def test_whatever_is_malformed_closes_its_connection_and_no_other(keeper: KeeperProcess) -> None:
    good = keeper.node(b"good")
    for number, frame in enumerate(malformed()):
        bad = say(keeper, hello(b"bad"), frame)
        assert bad.is_closed(), (number, frame[:80])
        bad.close()
    assert good.ask(wire.LIST) == [wire.OK]
    good.close()


@pytest.mark.parametrize("verb", [verb for verb in GOOD if verb != wire.HELLO])
def test_nothing_comes_before_hello(keeper: KeeperProcess, verb: bytes) -> None:
    node = say(keeper, body(verb, b"1", *GOOD[verb]))
    assert node.is_closed()
    node.close()


def test_hello_comes_once(keeper: KeeperProcess) -> None:
    node = say(keeper, hello(b"twice"), hello(b"twice"))
    assert node.is_closed()
    node.close()


@pytest.mark.parametrize("verb", [verb for verb in GOOD if verb not in OF_ALL])
def test_who_names_no_node_asks_for_none(keeper: KeeperProcess, verb: bytes) -> None:
    node = say(keeper, hello(b""), body(verb, b"2", *GOOD[verb]))
    assert node.is_closed()
    node.close()


@pytest.mark.parametrize("verb", HARMLESS)
def test_any_two_requests_in_any_order_are_answered(keeper: KeeperProcess, verb: bytes) -> None:
    for other in HARMLESS:
        if wire.HELLO in (verb, other):
            continue
        node = keeper.node(b"orders")
        for each in (verb, other):
            assert node.ask(each, *GOOD[each])[0] in (wire.OK, wire.NO), (verb, other)
        node.ask(wire.SIGNAL, b"s-1", wire.SESSION, b"9")
        if node.ask(wire.TAKE, b"s-1")[0] == wire.OK:
            node.exit_of(b"s-1")
            node.ask(wire.FORGET, b"s-1")
        node.close()


def test_pipes_are_opened_before_it_is_known_what_for(keeper: KeeperProcess) -> None:
    node = keeper.node(b"ahead")
    before = keeper.descriptors(node)
    answer = node.ask(wire.OPEN, b"2")
    assert answer == [wire.OK, *2 * (b"stdin", b"stdout", b"stderr", b"record")]
    number, came = node.number, node.descriptors[:]
    node.descriptors.clear()
    for which in (1, 0):
        name, line = b"s%d" % which, b"echo here; read line; exit $line"
        started = node.ask(*node.start_request(name, SHELL, b"-c", line, kind=b"%d.%d" % (number, which)))
        assert started[:1] + started[2:4] == [wire.OK, wire.RUNNING, wire.PIPES]
        stdin, stdout, *_ = came[4 * which : 4 * which + 4]
        assert read_until(stdout, b"\n") == b"here\n"
        os.write(stdin, b"%d\n" % (which + 4))
        assert node.exit_of(name) == b"%d" % (which + 4)
    # Each is for one program, and there are no others.
    for key in (b"%d.0" % number, b"%d.2" % number, b"999.0"):
        assert node.ask(*node.start_request(b"more", b"/bin/true", kind=key))[:2] == [wire.NO, wire.ORDER]
    # The next process of the node takes such a session as any other.
    taken = node.ask(wire.TAKE, b"s0")
    assert taken[2:4] == [b"4", wire.PIPES]
    for name in (b"s0", b"s1"):
        assert node.ask(wire.FORGET, name) == [wire.OK]
    for fd in came:
        os.close(fd)
    assert keeper.descriptors(node) == before
    node.close()


def test_what_was_opened_goes_with_its_connection_and_is_no_other_ones(keeper: KeeperProcess) -> None:
    other = keeper.node(b"other")
    before, node = keeper.descriptors(other), keeper.node(b"ahead")
    assert node.ask(wire.OPEN, b"%d" % wire.MOST_OPENED)[0] == wire.OK
    number = node.number
    assert node.ask(wire.OPEN, b"1")[:2] == [wire.NO, wire.FULL]
    theirs = other.start_request(b"s", b"/bin/true", kind=b"%d.0" % number)
    assert other.ask(*theirs)[:2] == [wire.NO, wire.ORDER]
    # One that fails is used up.
    for _ in range(2):
        answer = node.ask(*node.start_request(b"s", b"/bin/no-such-program", kind=b"%d.0" % number))
    assert answer[:2] == [wire.NO, wire.ORDER]
    # A number that is in use, and one that gets no answer, are nothing that a node may say.
    node.channel.sendall(wire.pack(wire.OPEN, b"%d" % number, b"2"))
    assert node.is_closed()
    node.close()
    assert keeper.descriptors(other) == before
    other.channel.sendall(wire.pack(wire.OPEN, wire.UNANSWERED, b"1"))
    assert other.is_closed()
    other.close()


def test_that_a_start_is_being_prepared_is_said_without_an_effect(keeper: KeeperProcess) -> None:
    node = keeper.node()
    before = keeper.descriptors(node)
    for whose in (b"", b"ann\n\n\n", b"ann\n\n\n"):
        node.channel.sendall(wire.pack(wire.SOON, wire.UNANSWERED, whose))
    assert node.ask(wire.LIST) == [wire.OK]
    assert keeper.descriptors(node) == before
    # An earlier keeper, which does not know what that is, says nothing either.
    node.channel.sendall(wire.pack(b"sooner", wire.UNANSWERED))
    assert node.ask(wire.LIST) == [wire.OK]
    node.close()


def test_an_unknown_verb_is_answered(keeper: KeeperProcess) -> None:
    node = keeper.node()
    assert node.ask(b"dance", b"with me")[:2] == [wire.NO, wire.UNKNOWN_VERB]
    assert node.ask(wire.LIST) == [wire.OK]
    node.close()


def test_sessions_that_are_not_there_are_named_so(keeper: KeeperProcess) -> None:
    node = keeper.node()
    for verb in (wire.TAKE, wire.CLOSE_STDIN, wire.STOP_READING, wire.WHERE, wire.FORGET):
        assert node.ask(verb, b"nowhere")[:2] == [wire.NO, wire.NO_SUCH]
    node.close()


def test_sessions_of_another_node_are_not_there(keeper: KeeperProcess) -> None:
    one, other = keeper.node(b"one"), keeper.node(b"other")
    one.script(b"s", b"exec cat")
    assert other.ask(wire.LIST) == [wire.OK]
    assert other.ask(wire.TAKE, b"s")[1] == wire.NO_SUCH
    assert other.ask(wire.SIGNAL, b"s", wire.SESSION, b"9")[1] == wire.NO_SUCH
    # The same id is free there.
    other.script(b"s", b"exit 4")
    assert other.exit_of(b"s") == b"4"
    one.ask(wire.SIGNAL, b"s", wire.SESSION, b"9")
    assert one.exit_of(b"s") == b"-9"
    for node in (one, other):
        assert node.ask(wire.FORGET, b"s") == [wire.OK]
        node.close()


def random_request(random: Random) -> tuple[bytes, ...]:
    """One of a node that does what comes to its mind, to a few sessions."""
    session = b"s%d" % random.randrange(4)
    verb = random.choice([verb for verb in GOOD if verb not in OF_ALL])
    if verb == wire.START:
        line = random.choice([b"exit 3", b"exec cat", b"yes", b"sleep 100 & exit 1", b"kill -9 $$"])
        kind = random.choice([wire.PTY, wire.QUIET_PTY, wire.PIPES])
        cwd = random.choice([b"/", b"/", b"/nowhere"])
        return RawNode.start_request(session, b"/bin/sh", b"-c", line, kind=kind, cwd=cwd)
    if verb == wire.SIGNAL:
        target = random.choice([wire.GROUP, wire.SESSION])
        return verb, session, target, b"%d" % random.choice([1, 2, 9, 15, 18, 19, 64])
    if verb in (wire.ADMIT, wire.SOON):
        return verb, *GOOD[verb]
    if verb == wire.OPEN:
        return verb, b"%d" % random.randrange(1, 3)
    return (verb, session) if wire.REQUESTS[verb] else (verb,)


def test_whatever_nodes_do_in_any_order_nothing_is_left_of_it(keeper: KeeperProcess) -> None:
    random, watching = Random(7), keeper.node(b"watching")
    before = keeper.descriptors(watching)
    nodes = [keeper.node(b"random-%d" % number) for number in range(2)]
    for _ in range(500):
        node = random.choice(nodes)
        answer = node.ask(*random_request(random))
        assert answer[0] in (wire.OK, wire.NO)
        for fd in node.descriptors:
            os.close(fd)
        node.descriptors.clear()
    for node in nodes:
        for session in node.ask(wire.LIST)[1::4]:
            node.ask(wire.SIGNAL, session, wire.SESSION, b"9")
            # Ids were used again, so that an exit that was heard may be another's.
            while (answer := node.ask(wire.FORGET, session)) != [wire.OK]:
                assert answer[1] == wire.ORDER
        node.close()
    assert keeper.descriptors(watching) == before
    assert not Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text()
    watching.close()


HOLDER = """
import sys
from pathlib import Path
from support.keepers import RawNode
from omnyshell.keeper import wire
import socket
channel = socket.socket(socket.AF_UNIX)
channel.connect(sys.argv[1])
node = RawNode(channel)
assert node.ask(wire.HELLO, b"1", b"held")[0] == b"ok"
node.script(b"s", b"echo before; read line; echo $line; exit 7")
print("has it", flush=True)
sys.stdin.read()
"""


def test_descriptors_go_to_the_next_process_when_the_one_before_is_dead(keeper: KeeperProcess) -> None:
    place = str(keeper.directory / "socket")
    environment = {"PYTHONPATH": ":".join(sys.path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"has it\n"
    node = RawNode(keeper.connected())
    why = node.ask(wire.HELLO, b"1", b"held")
    assert why[:2] == [wire.NO, wire.HELD]
    assert why[3] == b"%d" % holder.pid
    holder.kill()
    holder.wait(DEADLINE)
    assert node.ask(wire.HELLO, b"1", b"held")[0] == wire.OK
    assert node.ask(wire.LIST)[1::2] == [b"s", b"running"]
    found = node.named(node.ask(wire.TAKE, b"s"))
    os.write(found["stdin"], b"behind\n")
    assert node.exit_of(b"s") == b"7"
    assert os.read(found["stdout"], 100) == b"before\nbehind\n"
    for fd in found.values():
        os.close(fd)
    node.ask(wire.FORGET, b"s")
    node.close()
    holder.stdin.close()
    holder.stdout.close()


def test_the_same_process_may_connect_again(keeper: KeeperProcess) -> None:
    first = keeper.node(b"again")
    first.script(b"s", b"exit 5")
    first.exit_of(b"s")
    second = keeper.node(b"again")
    assert first.is_closed()
    assert second.ask(wire.LIST)[1::2] == [b"s", b"5"]
    second.ask(wire.FORGET, b"s")
    for node in (first, second):
        node.close()


def ask_until_it_is_not_read(node: RawNode, frame: bytes) -> int:
    """Have a node ask again and again, and read nothing; return how many bytes of it the keeper has taken."""
    stream, sent = memoryview(frame * 1000), 0
    node.channel.settimeout(0.2)
    with suppress(TimeoutError):
        while sent < MOST_SENT:
            sent += node.channel.send(stream[sent % len(frame) :])
    node.channel.settimeout(DEADLINE)
    return sent


def test_a_node_that_does_not_read_is_not_read_either_and_loses_nothing(keeper: KeeperProcess) -> None:
    """What it asks for has descriptors, which would all be open in the keeper until it reads."""
    deaf, good = keeper.node(b"deaf"), keeper.node(b"good")
    for fd in deaf.start(b"s", b"/bin/cat").values():
        os.close(fd)
    before = len(keeper.descriptors(good))
    frame = wire.pack(wire.TAKE, b"7", b"s")
    sent = ask_until_it_is_not_read(deaf, frame)
    assert sent < MOST_SENT
    assert len(keeper.descriptors(good)) <= before + 4
    for _ in range(sent // len(frame)):
        assert deaf.answer(b"7")[0] == wire.OK
        while deaf.descriptors:
            os.close(deaf.descriptors.pop())
    deaf.channel.sendall(frame[sent % len(frame) :] if sent % len(frame) else frame)
    assert deaf.answer(b"7")[0] == wire.OK
    while deaf.descriptors:
        os.close(deaf.descriptors.pop())
    deaf.ask(wire.SIGNAL, b"s", wire.SESSION, b"9")
    assert deaf.exit_of(b"s") == b"-9"
    for node in (deaf, good):
        node.close()


def test_a_node_that_does_not_read_does_not_keep_a_keeper_from_its_end(own_keeper: KeeperProcess) -> None:
    deaf, other = own_keeper.node(b"deaf"), own_keeper.node(b"other")
    ask_until_it_is_not_read(deaf, wire.pack(wire.WHERE, b"7", b"x"))
    assert other.ask(wire.STOP) == [wire.OK, b"0"]
    assert own_keeper.process.wait(DEADLINE) == 0
    for node in (deaf, other):
        node.close()


def test_descriptors_that_a_peer_sends_are_closed(keeper: KeeperProcess) -> None:
    node = keeper.node(b"giver")
    before = keeper.descriptors(node)
    theirs, ours = socket.socketpair()
    for number in range(20):
        socket.send_fds(node.channel, [wire.pack(wire.LIST, b"%d" % (1000 + number))], [theirs.fileno()] * 20)
        node.answer(b"%d" % (1000 + number))
    theirs.close()
    assert ours.recv(1) == b""
    assert keeper.descriptors(node) == before
    ours.close()
    node.close()


def test_more_connections_than_it_serves_are_closed(keeper: KeeperProcess) -> None:
    nodes = [RawNode(keeper.connected()) for _ in range(40)]
    answered = 0
    for number, node in enumerate(nodes):
        try:
            answered += node.ask(wire.HELLO, b"1", b"many-%d" % number)[0] == wire.OK
        except (AssertionError, OSError):
            continue
    assert 0 < answered < 40
    for node in nodes:
        node.close()
    keeper.node(b"after").close()


def test_who_takes_all_descriptors_can_still_be_ended(tmp_path: Path) -> None:

    class Few:
        def popen(self, command: Sequence[str], log: BinaryIO) -> "subprocess.Popen[bytes]":
            return subprocess.Popen(["prlimit", "--nofile=160", *command], stderr=log)

    keeper = KeeperProcess(tmp_path / "keeper", started_by=Few())
    node = keeper.node()
    for number in range(160):
        answer = node.ask(*node.start_request(b"s-%d" % number, b"/bin/sleep", b"600"))
        if answer[0] == wire.NO:
            break
    assert answer[1] == wire.FULL
    assert number > 5
    # Others may ask, and what is there can be signalled and ended.
    other = keeper.node(b"other")
    assert other.ask(wire.LIST) == [wire.OK]
    other.close()
    assert node.ask(wire.STOP) == [wire.OK, b"%d" % number]
    node.close()
    keeper.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_node_that_takes_all_connections_does_not_keep_root_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = KeeperProcess(tmp_path / "keeper", user=NOBODY)
    keeper.directory.chmod(0o711)
    monkeypatch.chdir(keeper.directory)
    with ExitStack() as held:
        os.seteuid(NOBODY)
        try:
            for _ in range(40):
                held.enter_context(connected(Path()))
        finally:
            os.seteuid(0)
        root = RawNode(held.enter_context(connected(Path())))
        assert root.ask(wire.HELLO, b"%d" % wire.VERSION, b"")[0] == wire.OK
        assert root.ask(wire.STATUS)[0] == wire.OK
    keeper.end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can keep for others")
def test_for_another_users_node_nothing_is_started_as_the_keepers_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = KeeperProcess(tmp_path / "keeper", user=NOBODY)
    keeper.directory.chmod(0o711)
    monkeypatch.chdir(keeper.directory)
    os.seteuid(NOBODY)
    try:
        node = RawNode(connected(Path()))
    finally:
        os.seteuid(0)
    assert node.ask(wire.HELLO, b"%d" % wire.VERSION, b"node")[0] == wire.OK
    answer = node.ask(*node.start_request(b"s", b"/usr/bin/id", b"-u"))
    assert answer[:2] == [wire.NO, wire.REFUSED]
    assert node.ask(wire.LIST) == [wire.OK]
    node.close()
    keeper.end()
