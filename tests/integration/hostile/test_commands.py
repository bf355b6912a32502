"""Every command of the command line against a hub that says what no hub may say."""

import struct
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import zip_longest
from pathlib import Path
from typing import Any, get_origin

import pytest
from support.declarations import DeclaredField, every_message
from support.hostile import (
    HOSTILE_NUMBERS,
    HOSTILE_TEXTS,
    KEPT,
    at_once,
    body,
    changing,
    judged,
    leaves,
    replaced,
    saturated,
)
from support.hostile_hub import ANSWERS, Alter, HostileHub
from support.impatient_loop import impatient_loops
from support.memory_wire import connects_in_memory
from support.victim import ASKING, SHORTLY, Victim, every_command, reads

from omnyshell.cli.grammar.command import Command
from omnyshell.errors import ImproperValueException
from omnyshell.ids import FIRST_HUB_CHANNEL_AT_CLIENT
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages import ControlMessage, admin, events
from omnyshell.transport import connection

MANY = 100
"""Items in a list where one was expected."""

LOGGING_IN = ("whoami", "login")
CAN_BE_MISSED = (m.ChannelClose,)
"""What a command can do without: it adds nothing to what was said before it."""

NEEDS_NO_LIST = "connect"
"""It opens its session without the listing of nodes."""


@pytest.fixture(autouse=True)
def _without_a_network(hostile: HostileHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Thousands of commands hear the same words, without the half of their time that TLS and a thread would take.

    So they know when nothing more can come, and need not wait for it: whatever comes is there before any time has
    passed, and the less of it they take, the less often they try again.
    """
    monkeypatch.setattr(connection, "connect_tls", connects_in_memory(hostile.serve))
    monkeypatch.setitem(Victim.run.__kwdefaults__, "waits", SHORTLY)
    with impatient_loops():
        yield


@every_command
def test_no_answer_does_harm(
    hostile: HostileHub, machine: Path, command: Command, as_json: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    victim = Victim(command, capfd, machine, as_json=as_json)
    assert victim.run() == 0
    answers = dict.fromkeys(hostile.answered)
    if command.name not in LOGGING_IN:
        # Every command logs in, in the same way.
        answers = {declared: None for declared in answers if declared not in (m.Hello, m.AuthOk)}
        assert answers
    for declared in answers:
        if declared is not m.Pong:
            # That may come when the command has ended already.
            can_be_missed = declared in CAN_BE_MISSED or (command.name, declared) == (NEEDS_NO_LIST, m.NodeListResponse)
            Attack(hostile, victim, declared, can_be_missed=can_be_missed).run()


Change = tuple[Any, Any]
"""A place in a body, and what is put there."""


class Attack:
    """Has one kind of answer spoilt in every way: each field alone, and all fields of a type at once."""

    def __init__(self, hub: HostileHub, victim: Victim, declared: type[ControlMessage], *, can_be_missed: bool) -> None:
        self._hub, self._victim, self._declared = hub, victim, declared
        self._can_be_missed = can_be_missed
        seen: list[dict[str, Any]] = []
        hub.alter = lambda kind, whole: (kind is declared and seen.append(whole)) or whole
        victim.run()
        self._seen, self._whole = seen, seen[0]
        self._was_mistyped = False

    def run(self) -> None:
        taken: list[list[Change]] = []
        for place, field in leaves(self._declared):
            taken.append(self._spoil(place, field))
            if len(place) == 1 and get_origin(field.kind) is tuple and self._whole[place[0]]:
                self._say(place, self._whole[place[0]][:1] * MANY)
        for changes in zip_longest(*taken):
            self._say_together([change for change in changes if change is not None])
        for said in at_once(list(changing(self._declared, *self._seen))):
            self._saturate(*said)
        self._hub.behave()

    def _spoil(self, place: Any, field: DeclaredField) -> list["Change"]:
        """Put into a field what nobody takes, and each truth; returns what is taken, of which each may go together."""
        was_improper = False
        together = []
        for value, problem in judged(field):
            if problem is None and isinstance(value, str | dict | list) and field.grammar is not None:
                # Texts without a grammar, numbers and times are attacked all at once.
                together.append((place, value))
                continue
            if isinstance(problem, ImproperValueException):
                worth_it, was_improper = not was_improper, True
            elif problem is not None:
                # It counts as if it had not come: once for each answer is enough.
                worth_it, self._was_mistyped = not self._was_mistyped, True
            else:
                worth_it = isinstance(value, bool)
            # What a body is refused for is told in the same words with --json: each command is attacked without it too.
            if worth_it and (problem is None or not self._victim.as_json):
                code = self._say(place, value)
                assert problem is None or code != 0 or self._can_be_missed, (place, value)
        if field.field.name not in KEPT:
            return together
        for change in together:
            self._say(*change)
        return []

    def _say_together(self, changes: list["Change"]) -> None:
        """Say all in one message; where the command fails, one of them may have hidden the others: each alone then."""

        def together(seen: dict[str, Any]) -> dict[str, Any]:
            return reduce(lambda whole, change: replaced(whole, *change), changes, seen)

        if not changes or (reads(self._declared, together(self._whole)) is None and self._said(together, changes) == 0):
            return
        for change in changes if len(changes) > 1 else ():
            self._say(*change)

    def _saturate(self, *values: str | int) -> None:
        """Say a text, a number and a time everywhere, each alone where the command fails."""

        def everywhere(seen: dict[str, Any]) -> dict[str, Any]:
            return saturated(self._declared, seen, *values)

        if self._said(everywhere, values) != 0 and len(values) > 1:
            for value in values:
                self._saturate(value)

    def _say(self, place: Any, value: Any) -> int:
        return self._said(lambda seen: replaced(seen, place, value), (place, value))

    def _said(self, alter: Callable[[dict[str, Any]], dict[str, Any]], what: object) -> int:
        self._hub.alter = lambda kind, whole: alter(whole) if kind is self._declared else whole
        return self._victim.run((self._declared.TYPE, str(what)[:100]))


def saturating(declared: type[ControlMessage], value: Any) -> Alter:
    return lambda kind, whole: saturated(kind, whole, value) if kind is declared else whole


REFUSALS: dict[type[ControlMessage], tuple[str, ...]] = {
    m.ProtocolError: ("auth.request", "node.list.request", "session.open", "events.subscribe", "admin.hub.request"),
    m.AuthFail: ("auth.request",),
    m.SessionRejected: ("session.open",),
    m.ChannelClose: ("session.open",),
    m.TunnelRejected: ("tunnel.open.request",),
    admin.AdminResult: tuple(name for name in ANSWERS if name.startswith("admin.")),
    events.EventsEnded: ("events.subscribe",),
}
"""What a hub refuses with, and what."""


FEW = ("".join(HOSTILE_TEXTS[:2]), "", HOSTILE_TEXTS[-1])


@every_command
def test_no_refusal_does_harm(
    hostile: HostileHub, machine: Path, command: Command, as_json: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    victim = Victim(command, capfd, machine, as_json=as_json)
    assert victim.run() == 0
    asked = set(hostile.asked)
    # A refusal is told in the same words with --json: once, to see that they are no JSON that is broken.
    texts = FEW[:1] if as_json else FEW
    for declared, refused in REFUSALS.items():
        hostile.instead = dict.fromkeys(asked & set(refused), declared)
        for text in texts if hostile.instead else ():
            hostile.alter = saturating(declared, text)
            assert victim.run((declared.TYPE, text[:40])) != 0
    hostile.behave()
    for text in texts:
        hostile.close_reason = text.encode("utf-8", "replace")[:120].decode("utf-8", "ignore")
        assert victim.run(("close", text[:40])) != 0


OFTEN = [command for command in ASKING if command.name in ("exec", "nodes list", "events", "hub peers", "tunnel open")]

HAS_A_CHANNEL = ("exec",)
CHANNELS = (None, 1, FIRST_HUB_CHANNEL_AT_CLIENT)
Kinds = tuple[type[ControlMessage], ...]

TOGETHER = 12
"""Kinds of messages that are said in a row, where none of them is a channel's, and may end what goes on there."""

OF_NO_CHANNEL = tuple(declared for declared in every_message() if not declared.SCOPED)
UNASKED: list[Kinds] = [(declared,) for declared in every_message() if declared.SCOPED] + [
    OF_NO_CHANNEL[first : first + TOGETHER] for first in range(0, len(OF_NO_CHANNEL), TOGETHER)
]


@pytest.mark.parametrize("kinds", UNASKED, ids=lambda kinds: kinds[0].TYPE)
def test_no_message_that_nobody_asked_for_does_harm(
    hostile: HostileHub, machine: Path, kinds: Kinds, capfd: pytest.CaptureFixture[str]
) -> None:
    for command in OFTEN:
        victim = Victim(command, capfd, machine, as_json=False)
        if kinds[0].SCOPED and command.name in HAS_A_CHANNEL:
            say_on_each_channel(hostile, victim, *kinds)
        else:
            say_unasked(hostile, victim, kinds)


def say_unasked(hub: HostileHub, victim: Victim, kinds: Kinds) -> None:
    """Say all; where the command fails, what came first may have hidden what came then: each part alone."""
    hub.unasked = [said for declared in kinds for channel in CHANNELS for said in on_channel(declared, channel)]
    if victim.run(kinds) == 0:
        return
    if len(kinds) == 1:
        say_on_each_channel(hub, victim, *kinds)
    else:
        half = len(kinds) // 2
        say_unasked(hub, victim, kinds[:half])
        say_unasked(hub, victim, kinds[half:])


def say_on_each_channel(hub: HostileHub, victim: Victim, declared: type[ControlMessage]) -> None:
    for channel in CHANNELS:
        hub.unasked = [*on_channel(declared, channel)]
        victim.run((declared.TYPE, channel))


def on_channel(declared: type[ControlMessage], channel: int | None) -> Iterator[tuple[str, dict[str, Any], int | None]]:
    whole = body(declared)
    for each in (whole, saturated(declared, whole, HOSTILE_TEXTS[0]), saturated(declared, whole, HOSTILE_NUMBERS[-2])):
        yield declared.TYPE, each, channel


@pytest.mark.parametrize("channel", [0, 1, 2, FIRST_HUB_CHANNEL_AT_CLIENT, 2**32 - 1])
def test_no_data_that_nobody_asked_for_does_harm(
    hostile: HostileHub, machine: Path, channel: int, capfd: pytest.CaptureFixture[str]
) -> None:
    opcodes = [opcode for opcode in range(5) if channel != 1 or opcode not in (2, 3)]
    frames = [struct.pack(">BBII", version, opcode, channel, 5) + b"owned" for version in (0, 1) for opcode in opcodes]
    frames += [b"", b"\1", frames[0][:-1], frames[0] + b"x", struct.pack(">BBII", 1, 2, channel, 2**32 - 1)]
    hostile.unasked = list(frames)
    for command in OFTEN:
        Victim(command, capfd, machine, as_json=False).run(channel)
