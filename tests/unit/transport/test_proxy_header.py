"""The PROXY protocol, version 2: headers built by hand from its specification, in pieces, and broken."""

import ipaddress
import struct

import pytest
from hypothesis import assume, given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.transport.proxy_header import MAX_LENGTH, ProxyHeaderError, ProxyHeaderReader, crc32c

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
LOCAL, PROXY = 0x20, 0x21
TCP4, UDP4, TCP6, UDP6, UNIX, UNIX_DGRAM = 0x11, 0x12, 0x21, 0x22, 0x31, 0x32


def header(body=b"", command=PROXY, family=TCP4):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


def tcp4(source="192.0.2.7", extras=b""):
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address("198.51.100.1").packed
    return addresses + struct.pack(">HH", 51_000, 8443) + extras


def tcp6(source="2001:db8::7", extras=b""):
    addresses = ipaddress.IPv6Address(source).packed + ipaddress.IPv6Address("2001:db8::1").packed
    return addresses + struct.pack(">HH", 51_000, 8443) + extras


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def with_checksum(body, family=TCP4):
    """The body with a checksum over the whole header behind it."""
    blank = header(body + tlv(3, bytes(4)), family=family)
    return body + tlv(3, struct.pack(">I", crc32c(blank)))


def read(data, cuts=()):
    """Feed what there is in these pieces, never more than is wanted; the reader, and what belongs to others."""
    reader, at = ProxyHeaderReader(), 0
    for cut in [*sorted(cuts), len(data)]:
        while at < cut and reader.wants:
            piece = data[at : min(cut, at + reader.wants)]
            reader.feed(piece)
            at += len(piece)
    return reader, data[at:]


GOOD = {
    "IPv4": (header(tcp4()), "192.0.2.7"),
    "IPv6": (header(tcp6(), family=TCP6), "2001:db8::7"),
    "IPv4 in IPv6": (header(tcp6("::ffff:192.0.2.7"), family=TCP6), "192.0.2.7"),
    "extras": (header(tcp4(extras=tlv(4, b"pad") + tlv(0xEA, b"x" * 40) + tlv(2, b""))), "192.0.2.7"),
    "a checksum": (header(with_checksum(tcp4())), "192.0.2.7"),
    "a checksum among others": (header(with_checksum(tcp6(extras=tlv(1, b"h2")), TCP6), family=TCP6), "2001:db8::7"),
    "the longest": (header(tcp4(extras=tlv(4, bytes(MAX_LENGTH - 15)))), "192.0.2.7"),
    "LOCAL": (header(command=LOCAL, family=0), None),
    "LOCAL with whatever": (header(b"\xff" * 99, command=LOCAL, family=0x99), None),
    "unspecified": (header(family=0), None),
    "unspecified with extras": (header(tlv(4, b"pad"), family=0), None),
    "a Unix socket": (header(bytes(216), family=UNIX), None),
}
BAD = {
    "version 1": b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 8443\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "another signature": SIGNATURE[:-1] + b"\r" + header(tcp4())[12:],
    "version 1 in binary": header(tcp4(), command=0x11),
    "version 3": header(tcp4(), command=0x31),
    "a third command": header(tcp4(), command=0x22),
    "datagrams over IPv4": header(tcp4(), family=UDP4),
    "datagrams over IPv6": header(tcp6(), family=UDP6),
    "datagrams of Unix": header(bytes(216), family=UNIX_DGRAM),
    "a family that is not known": header(tcp4(), family=0x41),
    "addresses cut short": header(tcp4()[:11]),
    "IPv4 addresses for IPv6": header(tcp4(), family=TCP6),
    "a Unix socket cut short": header(bytes(215), family=UNIX),
    "too long": header(bytes(MAX_LENGTH + 1)),
    "an extra that is cut": header(tcp4(extras=b"\x04\x00")),
    "an extra that is too long": header(tcp4(extras=b"\x04\x00\x05pad")),
    "a checksum that is wrong": header(tcp4(extras=tlv(3, b"\1\2\3\4"))),
    "a checksum that is short": header(tcp4(extras=tlv(3, b"\1\2"))),
    "a second checksum": header(with_checksum(with_checksum(tcp4()))),
}


@in_one_test("name", GOOD)
def test_a_header_is_read_in_every_piece_and_nothing_behind_it(name):
    data, address = GOOD[name]
    for cut in range(len(data) + 1) if len(data) < 400 else (1, 12, 16, 17, 28, len(data) - 1):
        reader, rest = read(data + b"TLS", [cut])
        assert (reader.wants, reader.address, rest) == (0, address, b"TLS")
    reader, rest = read(data + b"TLS", range(len(data) + 3))
    assert (reader.wants, reader.address, rest) == (0, address, b"TLS")


@in_one_test("name", GOOD)
def test_a_header_that_is_cut_off_is_never_whole(name):
    data, _ = GOOD[name]
    for size in range(min(len(data), 400)):
        reader, rest = read(data[:size])
        assert reader.wants > 0
        assert rest == b""


@in_one_test("name", BAD)
def test_what_is_none_is_refused_in_every_piece(name):
    data = BAD[name]
    for cuts in ([], range(len(data)), *([cut] for cut in range(1, min(len(data), 60)))):
        with pytest.raises(ProxyHeaderError):
            read(data, cuts)


@in_one_test(("name", "size"), [("version 1", 1), ("TLS", 1), ("HTTP", 1), ("another signature", 12)])
def test_what_is_none_is_refused_at_the_first_byte_that_shows_it(name, size):
    with pytest.raises(ProxyHeaderError, match="send-proxy-v2"):
        read(BAD[name][:size])


def test_version_1_is_named():
    with pytest.raises(ProxyHeaderError, match="version 1"):
        read(BAD["version 1"])


def test_nothing_is_taken_that_was_not_wanted():
    with pytest.raises(ValueError, match="17 bytes"):
        ProxyHeaderReader().feed(header(tcp4())[:17])


@in_one_test(
    ("data", "checksum"),
    [  # RFC 3720, appendix B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_checksum_is_that_of_the_standard(data, checksum):
    assert crc32c(data) == checksum


EXTRAS = st.lists(st.tuples(st.integers(4, 255), st.binary(max_size=60)), max_size=8).map(
    lambda pairs: b"".join(tlv(kind, value) for kind, value in pairs)
)


@given(st.ip_addresses(), EXTRAS, st.booleans(), st.sets(st.integers(0, 700), max_size=20), st.binary(max_size=20))
def test_any_address_with_any_extras_in_any_pieces(source, extras, has_checksum, cuts, behind):
    family, body = (TCP4, tcp4) if source.version == 4 else (TCP6, tcp6)
    made = body(str(source), extras)
    data = header(with_checksum(made, family) if has_checksum else made, family=family)
    reader, rest = read(data + behind, [cut for cut in cuts if cut < len(data)])
    assert (reader.wants, rest) == (0, behind)
    assert ipaddress.ip_address(reader.address) == (getattr(source, "ipv4_mapped", None) or source)


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_bytes_that_are_changed_give_an_address_or_a_refusal_and_nothing_else(name, data):
    good = GOOD[name][0]
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        reader, _ = read(bytes(changed))
    except ProxyHeaderError:
        return
    if reader.address is not None:
        ipaddress.ip_address(reader.address)


@given(st.sampled_from([*range(28), *range(29, 35)]), st.integers(1, 255))
def test_a_checksum_finds_any_byte_that_is_changed(place, change):
    data = bytearray(header(with_checksum(tcp4())))
    data[place] ^= change
    # The command LOCAL says that nothing of the rest means anything, the checksum too.
    assume(data[12] != LOCAL)
    try:
        reader, _ = read(bytes(data))
    except ProxyHeaderError:
        return
    assert reader.wants > 0


@given(st.binary(max_size=200))
def test_noise_is_refused_or_incomplete(noise):
    try:
        reader, rest = read(noise)
    except ProxyHeaderError:
        return
    assert reader.wants > 0 or noise.startswith(SIGNATURE)
    assert len(rest) < len(noise) or not noise
