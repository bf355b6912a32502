"""TLS between hubs: who is taken for which hub, without a socket."""

import ssl
from contextlib import suppress

import pytest

from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.links.certificates import LinkCertificates, hub_of
from omnyshell.services.hub.cluster.links.hello import LONGEST, Hello, decode, encode

KEYS = {hub: Ed25519PrivateKey.generate() for hub in ("a", "b", "c", "stranger")}
MEMBERS = {hub: KEYS[hub].public_key for hub in ("a", "b", "c")}


def shaken(accepting: ssl.SSLContext, dialling: ssl.SSLContext) -> tuple[bytes | None, bytes | None]:
    """Return the certificates that each side was shown. Raises `ssl.SSLError`."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = accepting.wrap_bio(up, down, server_side=True)
    client = dialling.wrap_bio(down, up, server_hostname="192.0.2.1")
    for _ in range(4):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return server.getpeercert(binary_form=True), client.getpeercert(binary_form=True)


def met(server: LinkCertificates, client: LinkCertificates) -> tuple[str, str]:
    """Return whom each side takes the other for. Raises `ssl.SSLError` and `ValueError`."""
    dialled, dialler = shaken(server.contexts(MEMBERS)[0], client.contexts(MEMBERS)[1])
    return hub_of(dialled, MEMBERS), hub_of(dialler, MEMBERS)


def test_members_know_each_other_by_their_keys_at_any_address() -> None:
    a, b = (LinkCertificates(hub, KEYS[hub]) for hub in "ab")
    assert met(a, b) == ("b", "a")
    assert met(b, a) == ("a", "b")


def test_nobody_is_a_hub_whose_key_they_do_not_have() -> None:
    a = LinkCertificates("a", KEYS["a"])
    for name, key in (("b", "stranger"), ("stranger", "stranger"), ("b", "c")):
        other = LinkCertificates(name, KEYS[key])
        for pair in ((a, other), (other, a)):
            with pytest.raises((ssl.SSLError, ValueError)):
                met(*pair)


def test_who_shows_no_certificate_is_no_hub() -> None:
    a = LinkCertificates("a", KEYS["a"])
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLError):
        shaken(a.contexts(MEMBERS)[0], bare)
    with pytest.raises(ValueError, match="no certificate"):
        hub_of(None, MEMBERS)


def test_a_certificate_that_was_good_once_is_held_against_the_members_of_now() -> None:
    a, b = (LinkCertificates(hub, KEYS[hub]) for hub in "ab")
    shown, _ = shaken(a.contexts(MEMBERS)[0], b.contexts(MEMBERS)[1])
    assert hub_of(shown, MEMBERS) == "b"
    for members in ({}, {"a": MEMBERS["a"]}, {"b": MEMBERS["c"]}):
        with pytest.raises(ValueError, match="certificate"):
            hub_of(shown, members)


def test_a_hello_says_what_makes_a_link_of_use_and_a_newer_hub_may_say_more() -> None:
    own, other = Hello("c1", "g1", "a"), Hello("c1", "g1", "b")
    more = encode(other)[:-1] + b',"knows":["what comes later"]}'
    assert decode(more) == other
    assert own.flaw_of(other, "b") == ""
    for wrong, why in ((Hello("c1", "g1", "c"), "says that it is 'c'"), (Hello("c2", "g1", "b"), "another cluster")):
        assert why in own.flaw_of(wrong, "b")
    assert "another log" in own.flaw_of(Hello("c1", "g2", "b"), "b")
    for raw in (b"", b"[]", b'{"type":"hello"}', b"\xff", b" " * (LONGEST + 1)):
        with pytest.raises(ValueError, match="hello"):
            decode(raw)
