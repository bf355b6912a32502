"""How forwards are written."""

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.model.targets import Target
from omnyshell.services.client.forwarding.places import Forward, Place


@in_one_test(
    ("text", "place", "target"),
    [
        ("5432:localhost:5432", ("127.0.0.1", 5432), ("localhost", 5432)),
        ("0:db.internal:1", ("127.0.0.1", 0), ("db.internal", 1)),
        ("0.0.0.0:80:10.1.2.3:8080", ("0.0.0.0", 80), ("10.1.2.3", 8080)),
        ("*:80:web:8080", ("", 80), ("web", 8080)),
        (":80:web:8080", ("", 80), ("web", 8080)),
        ("[::1]:80:[fe80::1]:8080", ("::1", 80), ("fe80::1", 8080)),
        ("80:[::1]:8080", ("127.0.0.1", 80), ("::1", 8080)),
        ("localhost:80:web:8080", ("localhost", 80), ("web", 8080)),
        ("/tmp/here.sock:web:80", ("/tmp/here.sock", None), ("web", 80)),
        ("80:/run/there.sock", ("127.0.0.1", 80), ("/run/there.sock", 0)),
        ("[::1]:80:/run/there.sock", ("::1", 80), ("/run/there.sock", 0)),
        ("/tmp/here.sock:/run/there.sock", ("/tmp/here.sock", None), ("/run/there.sock", 0)),
    ],
)
def test_what_ssh_takes_is_taken(text: str, place: tuple[str, int | None], target: tuple[str, int]) -> None:
    assert Forward.parse(text) == Forward(Place(*place), Target(*target))


@in_one_test(
    "text",
    [
        "",
        "80",
        "80:web",
        "80:web:http",
        "http:web:80",
        "70000:web:80",
        "80:web:0",
        "80:web:70000",
        "-1:web:80",
        "1:2:3:4:5",
        "::1:80:web:80",
        "80:fe80::1:80",
        "[::1:80:web:80",
        "80:web:80:",
        "80:-o:80",
        "a b:80:web:80",
        "/tmp/x",
        "80:/" + "x" * 200,
        "/" + "x" * 200 + ":web:80",
        "80:we\0b:80",
        "\u0668\u0660:web:80",
    ],
)
def test_all_else_is_a_mistake(text: str) -> None:
    with pytest.raises(ConfigException):
        Forward.parse(text)


@given(st.text(st.sampled_from("[]:*/019.a-\0 \udcff"), max_size=24))
def test_any_text_is_a_forward_or_a_mistake(text: str) -> None:
    try:
        forward = Forward.parse(text)
    except ConfigException:
        return
    place, target = forward
    assert place.port is None or 0 <= place.port <= 65535
    assert Target.parse(str(target)) == target


@in_one_test(
    ("text", "place"),
    [("1080", ("127.0.0.1", 1080)), ("0", ("127.0.0.1", 0)), ("[::1]:1080", ("::1", 1080)), ("*:1080", ("", 1080))],
)
def test_a_proxy_is_a_port(text: str, place: tuple[str, int]) -> None:
    assert Place.parse(text) == Place(*place)


@in_one_test("text", ["", "x", "1:2:3", "/tmp/x", "1080:x"])
def test_nothing_else_is_a_proxy(text: str) -> None:
    with pytest.raises(ConfigException):
        Place.parse(text)
