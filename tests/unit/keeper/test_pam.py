"""What modules get from a conversation in which nobody takes part."""

import ctypes

import pytest
from support.in_one_test import in_one_test

from omnyshell.keeper.pam import _conversation

SUCCESS, FAILED = 0, 19
PROMPT_ECHO_OFF, PROMPT_ECHO_ON, ERROR, INFORMATION, RADIO, BINARY = 1, 2, 3, 4, 5, 7


class Message(ctypes.Structure):
    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class Answer(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


def conversed(*messages: tuple[int, bytes | None], count: int | None = None) -> tuple[int, list[str], bool]:
    """What a module gets for messages, what is heard of them, and whether there are answers."""
    heard: list[str] = []
    _, converse = _conversation(heard.append)
    _, kind_of_messages, kind_of_answers, _ = type(converse)._argtypes_
    said = [Message(style, text) for style, text in messages]
    pointers = (ctypes.POINTER(Message) * max(1, len(said)))(*map(ctypes.pointer, said))
    answers = ctypes.POINTER(Answer)()
    status = converse(
        len(said) if count is None else count,
        ctypes.cast(pointers, kind_of_messages),
        ctypes.cast(ctypes.pointer(answers), kind_of_answers),
        None,
    )
    if answers:
        assert [(answers[at].text, answers[at].code) for at in range(len(said))] == [(None, 0)] * len(said)
        free = ctypes.CDLL(None).free
        free.argtypes = (ctypes.c_void_p,)
        free(answers)
    return status, heard, bool(answers)


def test_what_modules_say_is_heard_and_answered_with_nothing() -> None:
    said = conversed((INFORMATION, b"Welcome."), (ERROR, b"Not \xff now."), (ERROR, None))
    assert said == (SUCCESS, ["Welcome.", "Not \ufffd now.", ""], True)


@in_one_test("style", [PROMPT_ECHO_OFF, PROMPT_ECHO_ON, RADIO, BINARY, 0, -1])
def test_who_is_asked_for_anything_gives_no_answer(style: int) -> None:
    assert conversed((style, b"Password: ")) == (FAILED, [], False)
    assert conversed((INFORMATION, b"Your turn."), (style, b"Password: ")) == (FAILED, [], False)


@pytest.mark.parametrize("count", [0, -1, 33])
def test_an_impossible_number_of_messages_is_none(count: int) -> None:
    assert conversed((INFORMATION, b"x"), count=count) == (FAILED, [], False)
