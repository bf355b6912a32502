"""Where an audit sink sends to: the name of a host or an address, and a port."""

import ipaddress

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell import ConfigException
from omnyshell.hosts import is_name_or_address
from omnyshell.services.hub.audit.sinks import open_sink

PLACES = [
    ("h", ("h", None)),
    ("h:1", ("h", 1)),
    ("logs.example.com.", ("logs.example.com.", None)),
    ("log_server-2:65535", ("log_server-2", 65535)),
    ("bücher.example:99", ("bücher.example", 99)),
    ("[::1]", ("::1", None)),
    ("[::1]:99", ("::1", 99)),
    ("[fe80::1%eth0]:99", ("fe80::1%eth0", 99)),
    ("::1", ("::1", None)),
    ("2001:db8::514", ("2001:db8::514", None)),
    ("10.0.0.1:65535", ("10.0.0.1", 65535)),
    ("a" * 63 + ".b", ("a" * 63 + ".b", None)),
]
NO_PLACES = [
    "", ":1", "h:", "h:0", "h:65536", "h:99999", "h:x", "h:1:2", "h:-1", "h:+1", "h:٣", "[::1", "::1]", "[h]:1", "[]:1",
    "[h]:1:2", "h h", " h", "h ", "h\n", "a..b", ".a", "-a", "a-", "a-.b", "a/b", "a@b", "a?b", "a*b", "user@h:1",
    "//h", "h#1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "10.0.0.1.", "a.1", "1::2::3", "fffff::1", "a" * 64,
    ".".join(["a" * 60] * 5), "h%00", "h\0", "\ud800", "a\u202eb", "ü..b", "[10.0.0.1]",
]  # fmt: skip


@in_one_test(("text", "place"), PLACES)
def test_places(text: str, place: tuple[str, int | None]) -> None:
    host, port = place
    for kind, usual in (("syslog-tls", 6514), ("syslog", 514)):
        sink = open_sink(f"{kind}:{text}")
        assert vars(sink).get("_place", vars(sink).get("_address")) == (host, port or usual)
        sink.close()


@in_one_test("text", NO_PLACES)
@in_one_test("kind", ["syslog", "syslog-tls"])
def test_what_is_no_place_is_refused_by_name(kind: str, text: str) -> None:
    with pytest.raises(ConfigException, match="the audit sink") as refused:
        open_sink(f"{kind}:{text}")
    assert f"{kind}:{text}" in str(refused.value)


@given(st.integers(65536, 99999) | st.just(0))
def test_no_port_outside_the_range(port: int) -> None:
    with pytest.raises(ConfigException, match="a port is from 1 to 65535"):
        open_sink(f"syslog-tls:h:{port}")


@given(st.ip_addresses())
def test_every_address_is_one(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert is_name_or_address(str(address))


@given(st.text(min_size=1).filter(lambda text: not text.isalnum()))
def test_no_text_with_other_characters_than_names_have_is_one(text: str) -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:%")
    if is_name_or_address(text) and text.isascii():
        assert set(text) <= allowed
