"""What is filled into forms."""

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.errors import (
    AuthorizationException,
    OmnyShellException,
    OmnyShellTimeoutException,
    TransportException,
    TunnelRejectedException,
)
from omnyshell.model.tunnels import LOCAL_EXPOSER, MAX_PORT
from omnyshell.tui.advice import advice
from omnyshell.tui.dialogs.invite import how_many, optional_node_id, role_names
from omnyshell.tui.dialogs.reading import FormError, MissingError, Reading, filled
from omnyshell.tui.dialogs.session import environment
from omnyshell.tui.dialogs.tunnel import exposer, port_number, target_host, target_port


def test_an_environment_is_quoted_as_in_a_shell() -> None:
    assert environment("A=1 B='two words' C=") == {"A": "1", "B": "two words", "C": ""}
    assert environment("  ") == {}


@in_one_test(("text", "expected"), [("A", "'A'"), ("1A=x", "'1A'"), ("=x", "'=x'"), ("A='x", "quotation")])
def test_a_wrong_environment_is_explained(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        environment(text)


@given(st.text(max_size=12))
def test_what_is_no_port_is_explained(text: str) -> None:
    is_port = text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= MAX_PORT
    if is_port or not text:
        assert port_number(text) == (int(text) if text else None)
    else:
        with pytest.raises(ValueError, match="1 to 65535"):
            port_number(text)


@in_one_test("text", ["0", "-1", "1.5", "x", "٣", "100000", "9" * 5000])
def test_what_is_no_number_of_machines_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match="such as 100"):
        how_many(text)
    assert how_many("100") == 100
    with pytest.raises(MissingError):
        how_many("")


@in_one_test("text", ["0000070000", "00080x", "-1", "65536", "٣", "1.5"])
def test_a_number_in_disguise_is_no_port(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 65535"):
        port_number(text)


def test_a_target_is_needed_and_a_node_is_this_machine_if_not_given() -> None:
    assert exposer("") == exposer(LOCAL_EXPOSER) == LOCAL_EXPOSER
    assert exposer("web-1") == "web-1"
    assert target_port("80") == 80
    assert target_host("fd00::1") == "fd00::1"
    with pytest.raises(MissingError):
        target_port("")


@in_one_test(
    ("reader", "text"),
    [
        (exposer, "web 1"),
        (target_host, ""),
        (target_host, "a b"),
        (target_host, "a\x1b[2J"),
        (target_host, 254 * "x"),
        (optional_node_id, "web/1"),
        (role_names, " , "),
    ],
)
def test_what_is_wrong_is_explained(reader: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as raised:
        reader(text)
    assert not isinstance(raised.value, MissingError)


def test_all_that_is_wrong_is_said_at_once_apart_from_what_is_missing() -> None:
    fields = {"node": "", "port": "x", "public": "y", "host": "fine"}
    reading = Reading(fields.__getitem__)
    assert reading.take("node", filled("Which?"), "nothing") == "nothing"
    assert reading.take("host", filled("Which?"), "") == "fine"
    for name in ("port", "public"):
        assert reading.take(name, port_number, None) is None
    with pytest.raises(FormError) as raised:
        reading.check()
    assert raised.value.missing == {"node": "Which?"}
    assert list(raised.value.wrong) == ["port", "public"]


@in_one_test(
    ("error", "step"),
    [
        (AuthorizationException("Not authorized"), "ask an admin"),
        (TransportException("the hub is gone", code="1006"), "connects again by itself"),
        (OmnyShellTimeoutException("no answer."), "no answer. Try again"),
        (TunnelRejectedException("Disabled", code="tunnel_disabled"), "--tunnel-port-range"),
    ],
)
def test_an_error_says_what_to_do(error: OmnyShellException, step: str) -> None:
    assert step in advice(error)


def test_an_error_without_a_next_step_is_said_as_it_is_without_control_characters() -> None:
    assert advice(OmnyShellException("odd\x1b[2J", code="odd")) == "odd\N{REPLACEMENT CHARACTER}[2J"


def test_a_question_is_followed_by_no_period() -> None:
    said = advice(TransportException("nothing listens at hub:1; is the hub running?"))
    assert said == "nothing listens at hub:1; is the hub running? The console connects again by itself: try again then."
