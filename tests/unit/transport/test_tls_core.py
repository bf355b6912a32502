"""TLS without I/O: both sides in memory."""

import ssl

import pytest
from support.stack import Certificates

from omnyshell.transport.tls import client_context, server_context
from omnyshell.transport.tls_core import After, TlsCore


class Pair:
    """A client and a server, and what is under way between them."""

    def __init__(self, certificates: Certificates, host: str = "localhost", *, size: int = 1 << 20) -> None:
        self.client = TlsCore.connecting(client_context(certificates.ca), host)
        self.server = TlsCore.accepting(server_context(certificates.cert, certificates.key))
        self._size = size

    def pump(self) -> None:
        """Bring to each what the other has said, in pieces."""
        for source, target in ((self.client, self.server), (self.server, self.client)):
            data = source.outgoing.read()
            for at in range(0, len(data), self._size):
                target.feed(data[at : at + self._size])

    def shake_hands(self) -> None:
        for _ in range(4):
            done = [core.shake_hands() for core in (self.client, self.server)]
            self.pump()
        assert all(done)


@pytest.fixture
def pair(certificates: Certificates) -> Pair:
    made = Pair(certificates)
    made.shake_hands()
    return made


def read(core: TlsCore, room: int = 1000) -> tuple[bytes, After]:
    """Read until nothing more is there, through a buffer of this size."""
    got, after, buffer = b"", After.MORE, memoryview(bytearray(room))
    while after is After.MORE:
        size, after = core.read(buffer)
        got += buffer[:size]
    return got, after


@pytest.mark.parametrize("room", [1, 999, 100_000])
@pytest.mark.parametrize("size", [7, 16_384, 1 << 20])
def test_plaintext_comes_whole_through_any_pieces_and_room(certificates: Certificates, size: int, room: int) -> None:
    pair = Pair(certificates, size=size)
    pair.shake_hands()
    for sender, receiver in ((pair.client, pair.server), (pair.server, pair.client)):
        sender.write(b"ab" * 5000)
        pair.pump()
        assert read(receiver, room) == (b"ab" * 5000, After.NOTHING_YET)
    assert not pair.client.outgoing.pending


def test_one_direction_ends_and_the_other_goes_on(pair: Pair) -> None:
    pair.client.write(b"question")
    pair.client.say_goodbye()
    pair.pump()
    assert read(pair.server) == (b"question", After.END)
    pair.server.write(b"answer")
    pair.pump()
    assert read(pair.client) == (b"answer", After.NOTHING_YET)


@pytest.mark.parametrize("ends", [False, True])
def test_what_has_arrived_unread_is_not_lost_by_saying_goodbye(pair: Pair, ends: bool) -> None:
    pair.client.write(bytes(50_000))
    if ends:
        pair.client.say_goodbye()
    pair.pump()
    pair.server.say_goodbye()
    pair.pump()
    assert read(pair.client)[1] is After.END
    if not ends:
        pair.client.write(b"more")
        pair.pump()
    assert read(pair.server) == (bytes(50_000) + (b"" if ends else b"more"), After.END if ends else After.NOTHING_YET)


def test_what_is_no_tls_is_told_behind_what_came_before(pair: Pair) -> None:
    pair.client.write(b"good")
    pair.pump()
    pair.server.feed(b"GET / HTTP/1.1\r\n\r\n")
    assert read(pair.server) == (b"good", After.NO_TLS)


def test_another_name_is_refused_with_an_alert_that_goes_out(certificates: Certificates) -> None:
    pair = Pair(certificates, "elsewhere.example")
    pair.client.shake_hands()
    pair.pump()
    pair.server.shake_hands()
    pair.pump()
    with pytest.raises(ssl.SSLCertVerificationError):
        pair.client.shake_hands()
    assert pair.client.outgoing.pending
