"""Requests through an http tunnel: headers on each, bodies as they came, nothing that two parsers read in two ways."""

import itertools

import h11
import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.services.hub.tunnels.http.forwarder import HttpForwarder
from omnyshell.services.hub.tunnels.http.headers import ForwardingHeaders

GET = b"GET /a?b=c HTTP/1.1\r\nHost: app.example:8000\r\nAccept: */*\r\n\r\n"
CHUNKED = (
    b"POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5;name="v"\r\nhello\r\n1\r\n\n\r\n6\r\n\r\nabcd\r\n0\r\nX-Sum: 12\r\n\r\n'
)
SIZED = b"PUT /f HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n\r\n\r\nGET /\x00\xff"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def forwarder(address: str = "203.0.113.7", owner: str = "ann", *, secure: bool = False) -> HttpForwarder:
    numbers = itertools.count(1)
    return HttpForwarder(
        ForwardingHeaders(
            client_address=address,
            is_secure=secure,
            public_port=20001,
            tunnel="abcdefgh",
            node_id="db-1",
            owner=owner,
            new_request_id=lambda: f"id-{next(numbers)}",
        )
    )


def read_request(data: bytes) -> tuple[h11.Request, bytes, bytes]:
    """What a strict server makes of it: the request, its body, and what is left."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return request, body, server.trailing_data[0]


def headers_of(data: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in data.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.decode("latin-1").partition(": ")
        found.setdefault(name, []).append(value)
    return found


def test_a_request_gets_every_header() -> None:
    sent = forwarder().request_bytes(GET)
    assert sent.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: app.example:8000\r\nAccept: */*\r\n")
    assert headers_of(sent) == {
        "Host": ["app.example:8000"],
        "Accept": ["*/*"],
        "X-Forwarded-For": ["203.0.113.7"],
        "X-Forwarded-Proto": ["http"],
        "X-Forwarded-Host": ["app.example:8000"],
        "X-Forwarded-Port": ["20001"],
        "Forwarded": ['for=203.0.113.7;host="app.example:8000";proto=http'],
        "Via": ["1.1 omnyshell-hub"],
        "X-OmnyShell-Tunnel-Id": ["abcdefgh"],
        "X-OmnyShell-Node": ["db-1"],
        "X-OmnyShell-Owner": ["ann"],
        "X-Request-Id": ["id-1"],
    }


def test_some_headers_are_appended_to_and_the_others_replaced_in_any_spelling() -> None:
    spoofed = GET.replace(
        b"Accept",
        b"x-forwarded-for: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nVIA: 1.0 old\r\nForwarded: for=x\r\n"
        b"x-forwarded-PROTO: https\r\nX-OmnyShell-Owner: root\r\nX-Request-ID: mine\r\nX_Forwarded_Host: evil\r\n"
        b"X_Forwarded-For: evil\r\nAccept",
    )
    found = headers_of(forwarder("2001:db8::1", "o\u00e9 \r\nX: y", secure=True).request_bytes(spoofed))
    assert found["X-Forwarded-For"] == ["10.0.0.1, 10.0.0.2, 2001:db8::1"]
    assert found["Forwarded"] == ['for=x, for="[2001:db8::1]";host="app.example:8000";proto=https']
    assert found["Via"] == ["1.0 old, 1.1 omnyshell-hub"]
    assert found["X-Forwarded-Proto"] == ["https"]
    assert found["X-OmnyShell-Owner"] == ["o%C3%A9 %0D%0AX: y"]
    assert found["X-Request-Id"] == ["id-1"]
    assert not {name for name in found if "_" in name}
    assert "x-forwarded-PROTO" not in found


@given(st.lists(st.sampled_from([GET, CHUNKED, SIZED]), min_size=1, max_size=5), st.data())
def test_each_request_of_a_connection_is_marked_however_it_is_cut(requests: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    http = forwarder()
    sent = b"".join(http.request_bytes(stream[a:b]) for a, b in itertools.pairwise([0, *cuts, len(stream)]))
    assert http.refusal is None
    for number, raw in enumerate(requests, 1):
        head, _, body = raw.partition(b"\r\n\r\n")
        request, _, rest = read_request(sent)
        assert dict(request.headers)[b"x-request-id"] == f"id-{number}".encode()
        sent_head, _, sent_body = sent.partition(b"\r\n\r\n")
        assert sent_head.startswith(head)
        assert sent_body.startswith(body)
        assert sent_body == body + rest
        sent = rest
    assert sent == b""


def test_one_byte_at_a_time() -> None:
    http = forwarder()
    sent = b"".join(http.request_bytes(bytes([byte])) for byte in CHUNKED + GET)
    assert http.refusal is None
    assert sent.endswith(b"id-2\r\n\r\n")
    assert CHUNKED.partition(b"\r\n\r\n")[2] in sent


HEAD = b"POST / HTTP/1.1\r\nHost: h\r\n"
TE = b"Transfer-Encoding: chunked\r\n\r\n"
AMBIGUOUS = {
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "the same length twice": HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": HEAD + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": HEAD + b"Content-Length: +5\r\n\r\nhello",
    "a hexadecimal length": HEAD + b"Content-Length: 0x5\r\n\r\nhello",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "an empty length": HEAD + b"Content-Length: \r\n\r\n",
    "length, then encoding": HEAD + b"Content-Length: 5\r\n" + TE + b"0\r\n\r\n",
    "encoding, then length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two encodings": HEAD + b"Transfer-Encoding: chunked\r\n" + TE,
    "an encoding list": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "identity": HEAD + b"Transfer-Encoding: identity\r\n\r\n",
    "an unknown encoding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n",
    "an encoding with a tab": HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n",
    "an encoding behind a space": HEAD + b"Transfer-Encoding : chunked\r\n\r\n",
    "a length behind a space": HEAD + b"Content-Length : 5\r\n\r\nhello",
    "an encoding in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: h\r\n" + TE + b"0\r\n\r\n",
    "a folded line": HEAD + b"X-A: b\r\n c\r\n\r\n",
    "a line folded with a tab": HEAD + b"X-A: b\r\n\tContent-Length: 5\r\n\r\n",
    "a bare line feed": b"GET / HTTP/1.1\nHost: h\r\n\r\n",
    "bare line feeds alone": b"GET / HTTP/1.1\nHost: h\n\n",
    "a bare line feed at the end": b"GET / HTTP/1.1\r\nHost: h\r\n\n",
    "a bare carriage return": HEAD + b"X-A: b\rContent-Length: 5\r\n\r\n",
    "a NUL": HEAD + b"X-A: b\x00c\r\n\r\n",
    "a name with a space": HEAD + b"X A: b\r\n\r\n",
    "a line without a colon": HEAD + b"nonsense\r\n\r\n",
    "an empty name": HEAD + b": b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": HEAD + b"Host: other\r\n\r\n",
    "an old version": b"GET /\r\n\r\n",
    "another version": b"GET / HTTP/1.9\r\nHost: h\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
    "two empty lines first": b"\r\n\r\n" + GET,
    "a bare carriage return first": b"\r" + GET,
    "a bare line feed first": b"\n" + GET,
    "a path in UTF-8": "GET /café HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
    "a space first": b" " + GET,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a header called hop-by-hop": HEAD + b"Connection: close, X-Forwarded-For\r\n\r\n",
    "a chunk size that is none": HEAD + TE + b"5x\r\nhello\r\n0\r\n\r\n",
    "a signed chunk size": HEAD + TE + b"+5\r\nhello\r\n0\r\n\r\n",
    "a chunk size with 0x": HEAD + TE + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk line with a bare line feed": HEAD + TE + b"5\nhello\r\n0\r\n\r\n",
    "an extension with a bare line feed": HEAD + TE + b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "an extension with a bare carriage return": HEAD + TE + b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "a chunk that is longer than it says": HEAD + TE + b"5\r\nhello!!\r\n0\r\n\r\n",
    "a chunk that ends in a bare line feed": HEAD + TE + b"5\r\nhello\n0\r\n\r\n",
    "a huge chunk size": HEAD + TE + b"f" * 30 + b"\r\n",
    "a trailer with a bare line feed": HEAD + TE + b"0\r\nX-A: b\nX-C: d\r\n\r\n",
    "trailers ended by a bare line feed": HEAD + TE + b"0\r\n\n" + GET,
    "a folded trailer": HEAD + TE + b"0\r\nX-A: b\r\n c\r\n\r\n",
    "a trailer that frames": HEAD + TE + b"0\r\nContent-Length: 5\r\n\r\n",
    "a trailer that marks": HEAD + TE + b"0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
}  # fmt: skip


@in_one_test("raw", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_can_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    for step in (1, 3, 100_000):
        must_be_refused(raw, step)


def must_be_refused(raw: bytes, step: int) -> None:
    http = forwarder()
    http.request_bytes(GET)
    for at in range(0, len(raw), step):
        http.request_bytes(raw[at : at + step])
        if http.refusal is not None:
            break
    assert http.refusal is not None
    assert http.refusal.status == 400
    assert not http.refusal_is_due, "the first request is not answered yet"
    http.response_bytes(OK)
    assert http.refusal_is_due
    assert http.refusal.response().startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert "b'" not in http.refusal.text
    assert http.request_bytes(GET) == b""


@in_one_test("step", [1, 2, 3, 100_000])
def test_an_empty_line_before_a_request_is_dropped(step: int) -> None:
    http = forwarder()
    stream = b"\r\n" + SIZED + b"\r\n" + CHUNKED + GET + b"\r\n"
    sent = b"".join(http.request_bytes(stream[at : at + step]) for at in range(0, len(stream), step))
    assert http.refusal is None
    assert not http.is_in_head
    for method in (b"PUT", b"POST", b"GET"):
        request, _, sent = read_request(sent)
        assert request.method == method
    assert sent == b""


def test_a_path_that_is_not_encoded_is_named() -> None:
    http = forwarder()
    http.request_bytes("GET /café HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert http.refusal is not None
    assert "percent-encoded" in http.refusal.text


def test_a_head_that_is_too_long_is_refused() -> None:
    http = forwarder()
    http.request_bytes(HEAD + b"X-A: " + b"a" * 70_000)
    assert http.refusal is not None
    assert http.refusal.status == 431


def test_an_accepted_upgrade_leaves_both_ways_alone() -> None:
    http = forwarder()
    http.request_bytes(GET)
    sent = http.request_bytes(UPGRADE + b"\x81\x00early")
    assert b"Upgrade: websocket" in sent
    assert sent.endswith(b"\r\n\r\n")
    assert http.is_holding
    assert http.request_bytes(b"more") == b""
    assert http.response_bytes(OK + SWITCHED[:20]) == b""
    assert http.response_bytes(SWITCHED[20:] + b"\x81\x00") == b"\x81\x00earlymore"
    assert not http.is_holding
    assert http.request_bytes(b"GET / HTTP/1.1\n\n") == b"GET / HTTP/1.1\n\n"
    assert http.response_bytes(b"any\n") == b""


def test_a_denied_upgrade_goes_on_as_http() -> None:
    http = forwarder()
    http.request_bytes(UPGRADE)
    assert http.request_bytes(GET + b"X") == b""
    sent = http.response_bytes(OK)
    assert b"X-Request-Id: id-2" in sent
    assert not http.is_holding
    assert http.is_in_head


def test_an_upgrade_that_is_denied_before_its_end_goes_on_as_http() -> None:
    http = forwarder()
    head = UPGRADE.replace(b"GET", b"POST").replace(b"Host: h", b"Host: h\r\nContent-Length: 4")
    assert http.request_bytes(head + b"ab").endswith(b"ab")
    assert http.response_bytes(OK) == b""
    assert http.request_bytes(b"cd" + GET).startswith(b"cdGET")
    assert not http.is_holding


@pytest.mark.parametrize("answer", [SWITCHED, b"no HTTP\r\n\r\n"])
def test_an_answer_that_leaves_http_before_the_request_has_ended_is_refused(answer: bytes) -> None:
    http = forwarder()
    http.request_bytes(UPGRADE.replace(b"Host: h", b"Host: h\r\nContent-Length: 4") + b"ab")
    assert http.response_bytes(answer) == b""
    assert http.refusal is not None
    assert http.refusal.status == 400
    assert http.refusal_is_due
    assert http.request_bytes(b"cd" + GET) == b""


FORGED = b"GET /admin HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\nX-OmnyShell-Owner: root\r\n\r\n"


@in_one_test("target", [b"/", b"h:1", b"*"])
@in_one_test("more", [b"", b"Content-Length: 2\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n"])
def test_connect_does_not_open_a_way_for_forged_headers(target: bytes, more: bytes) -> None:
    """A target that answers every method alike would go on in HTTP, behind headers that nobody added."""
    http = forwarder()
    assert b"203.0.113.7" in http.request_bytes(GET)
    assert http.request_bytes(b"CONNECT " + target + b" HTTP/1.1\r\nHost: h\r\n" + more + b"\r\n" + FORGED) == b""
    assert not http.is_holding
    assert not http.refusal_is_due
    assert http.response_bytes(OK) == b""
    assert http.refusal is not None
    assert http.refusal.status == 405
    assert http.refusal_is_due
    assert http.request_bytes(FORGED) == b""


@in_one_test("method", [b"GET", b"POST", b"PRI", b"TRACE", b"connect", b"XCONNECT"])
@in_one_test("answer", [b"200 OK", b"404 Not Found", b"426 Upgrade Required"])
def test_what_follows_an_answer_without_an_upgrade_gets_headers_of_the_hub(method: bytes, answer: bytes) -> None:
    http = forwarder()
    http.request_bytes(method + b" / HTTP/1.1\r\nHost: h\r\n\r\n")
    http.response_bytes(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n")
    sent = headers_of(http.request_bytes(FORGED))
    assert sent["X-OmnyShell-Owner"] == ["ann"]
    assert sent["X-Forwarded-For"] == ["10.0.0.1, 203.0.113.7"]


KEYED = UPGRADE.replace(b"Host", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost")
PROVEN = SWITCHED.replace(b"Upgrade:", b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nUpgrade:", 1)


@in_one_test(
    ("request_", "answer"),
    [
        (UPGRADE, b"HTTP/1.1 101 OK\r\n\r\n"),
        (UPGRADE, SWITCHED.replace(b"websocket", b"HTTP/1.1")),
        (UPGRADE, SWITCHED.replace(b"websocket", b"h2c")),
        (UPGRADE, SWITCHED.replace(b"websocket", b"websocket, h2c")),
        (UPGRADE.replace(b"websocket", b"h2c, websocket"), SWITCHED.replace(b"websocket", b"h2c")),
        (KEYED, SWITCHED),
        (KEYED, PROVEN.replace(b"s3p", b"s3q")),
        (KEYED.replace(b"Host", b"Sec-WebSocket-Key: x\r\nHost"), PROVEN),
    ],
)
def test_a_target_that_answers_101_by_accident_opens_no_way_for_forged_headers(request_: bytes, answer: bytes) -> None:
    http = forwarder()
    http.request_bytes(request_ + FORGED)
    assert http.is_holding
    assert http.response_bytes(answer) == b""
    assert http.response_bytes(OK) == b""
    assert http.request_bytes(FORGED) == b""
    assert http.refusal is not None
    assert http.refusal.status == 400


@pytest.mark.parametrize("answer", [PROVEN, PROVEN.replace(b"websocket", b"WebSocket")])
def test_a_websocket_that_proves_itself_leaves_both_ways_alone(answer: bytes) -> None:
    http = forwarder()
    http.request_bytes(KEYED + b"\x81\x00")
    assert http.response_bytes(answer) == b"\x81\x00"


@in_one_test("name", ["h2c", "h2", "HTTP/2.0", "http/1.1", "TLS/1.2", "H3"])
def test_nothing_that_is_http_again_is_offered(name: str) -> None:
    http = forwarder()
    sent = http.request_bytes(GET.replace(b"Accept", f"Connection: Upgrade\r\nUpgrade: {name}\r\nAccept".encode()))
    assert "Upgrade" not in headers_of(sent)
    assert not http.is_holding
    sent = forwarder().request_bytes(UPGRADE.replace(b"websocket", f"{name}, tcp,{name}".encode()))
    assert headers_of(sent)["Upgrade"] == ["tcp"]


def test_cleartext_http2_is_not_offered() -> None:
    http = forwarder()
    sent = http.request_bytes(
        GET.replace(b"Accept", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\nAccept")
    )
    assert b"h2c" not in sent
    assert b"AAMA" not in sent
    assert not http.is_holding


def test_what_is_unanswered_is_bounded() -> None:
    http = forwarder()
    for _ in range(256):
        assert http.room > 0
        http.request_bytes(GET)
    assert http.room == 0
    http.response_bytes(OK)
    assert http.room > 0


def test_a_body_of_known_length_is_read_in_large_pieces_and_all_else_in_small_ones() -> None:
    http = forwarder()
    assert http.room == 4096
    http.request_bytes(HEAD + b"Content-Length: 100000\r\n\r\n")
    assert http.room == 65_536
    http.request_bytes(bytes(99_000))
    assert http.room == 4096
    http.request_bytes(bytes(1000) + HEAD + TE)
    assert http.room == 4096


def test_an_interim_response_is_no_answer() -> None:
    http = forwarder()
    http.request_bytes(SIZED)
    http.response_bytes(b"HTTP/1.1 100 Continue\r\n\r\n")
    http.request_bytes(b"broken\r\n\r\n")
    assert http.refusal is not None
    assert not http.refusal_is_due
    http.response_bytes(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert http.refusal_is_due


def test_an_answer_that_cannot_be_read_decides_no_upgrade() -> None:
    http = forwarder()
    http.request_bytes(UPGRADE)
    assert http.response_bytes(b"nonsense\r\n\r\n") == b""
    assert http.refusal is not None
    assert http.refusal_is_due
    http = forwarder()
    http.request_bytes(GET)
    http.response_bytes(b"nonsense\r\n\r\n")
    assert b"id-2" in http.request_bytes(GET)
    http.request_bytes(UPGRADE)
    assert http.refusal is not None


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_nothing_that_arrives_breaks_it(outside: bytes, target: bytes) -> None:
    http = forwarder()
    http.request_bytes(UPGRADE + outside)
    http.response_bytes(target)
    http.request_bytes(outside)
    assert http.refusal is None or http.refusal.response()


def test_tiny_requests_are_read_in_turns() -> None:
    passing = forwarder()
    tiny = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    out = [passing.request_bytes(tiny * 150)]
    assert passing.has_work
    assert passing.room == 0
    while passing.has_work:
        out.append(passing.work())
    assert max(part.count(b"X-Request-Id") for part in out) <= 12
    assert b"".join(out).count(b"X-Request-Id") == 150
    assert not passing.has_unread


def test_tiny_chunks_of_an_answer_are_followed_in_turns() -> None:
    passing = forwarder()
    passing.request_bytes(GET)
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 5000 + b"0\r\n\r\n"
    passing.response_bytes(chunked[:20_000])
    assert passing.follows_late
    passing.response_bytes(chunked[20_000:])
    turns = 0
    while passing.has_work:
        assert passing.work() == b""
        turns += 1
    assert turns > 30
    assert passing.request_bytes(GET).count(b"X-Request-Id") == 1
    passing.response_bytes(OK)
    passing.refuse(400, "no")
    assert passing.refusal_is_due
