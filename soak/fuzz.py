"""Millions of broken inputs for whatever reads what strangers send or people edit.

Inputs are good ones, changed at random. One whose outcome is new joins those that are changed further: so they come to
places that chance alone would not find. Time is processor time of this thread: other programs do not count.
"""

import argparse
import random
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omnyshell import ConfigException, ProtocolException
from omnyshell.cli.grammar.commands import HUB_START
from omnyshell.options.toml_file import read_options
from omnyshell.protocol.codec import FrameCodec, encode_control
from omnyshell.protocol.frames import DataFrame, pack_data
from omnyshell.security.authorized_keys import parse_authorized_keys
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.tunnels.http.forwarder import HttpForwarder
from omnyshell.services.hub.tunnels.http.headers import ForwardingHeaders
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, state
from omnyshell.transport.bulk_frames import BINARY, TEXT, BulkFrameReader, bulk_frame
from soak.report import Figure, report

SLOWEST_ALLOWED = 0.010
LARGEST = 4096
CORPUS = 3000
PIECES = (
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xf0\x9f\x91\xa9\xe2\x80\x8d", b"\r\n", b"\n", b"#", b";", b"=", b",", b":"),
    *(b"{", b"}", b"[", b"]", b'"', b"\\u0000", b"\\ud800", b"null", b"true", b"NaN", b"1e999", b"-1", b"99999999"),
    *(b"9223372036854775808", b"HTTP/1.0", b"Content-Length: ", b"Transfer-Encoding: ", b"chunked"),
    *(b"\x1b[", b"\x1b]", b"\x1bP", b"\x9b", b"\x1bc", b"\x1b[999999999b", b"\x1b[?1049h", b"\x1b[3;2r"),
)
"""What readers look for, or stumble over."""

Read = Callable[[bytes], str]
"""Takes an input and returns what kind of outcome it had; what it raises is a failure."""


@dataclass(frozen=True)
class Target:
    """Something that reads, and good inputs for it."""

    read: Read
    seeds: list[bytes]


def mutated(corpus: list[bytes], rng: random.Random) -> bytes:
    """Return an input, changed in one to four places."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(data))
        kind = rng.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:at] = rng.choice(PIECES)
        elif kind == 2:
            del data[at : at + rng.randint(1, 8)]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randint(1, 32)]
        elif kind == 4:
            other = rng.choice(corpus)
            start = rng.randint(0, len(other))
            data[at:] = other[start:]
        elif at < len(data):
            data[at] = rng.randrange(256)
    return bytes(data[:LARGEST])


def fuzz(name: str, target: Target, inputs: int, seconds: float, seed: int) -> Figure:
    """Let a target read so many inputs, or for so long."""
    rng = random.Random(f"{seed} {name}")
    corpus, outcomes = list(target.seeds), set[str]()
    failures: list[str] = []
    slowest, done, began = 0.0, 0, time.monotonic()
    while done < inputs and (done % 256 or time.monotonic() - began < seconds):
        data = mutated(corpus, rng)
        outcome, failure, taken = _read(target, data)
        if taken > SLOWEST_ALLOWED:
            # A collection of garbage, say: what is slow by itself is slow again.
            taken = min(taken, _read(target, data)[-1])
        if taken > SLOWEST_ALLOWED:
            failure = failure or f"took {taken * 1000:.1f} ms"
        if failure:
            failures.append(f"{data!r}\n{failure}")
        slowest = max(slowest, taken)
        done += 1
        if outcome not in outcomes and len(corpus) < CORPUS:
            outcomes.add(outcome)
            corpus.append(data)
    for failure in failures[:3]:
        print(failure)
    return Figure(
        f"broken inputs: {name}",
        "0 failures, none over 10 ms",
        f"{done / 1e6:.1f} million inputs, {len(outcomes)} kinds of outcome, {len(failures)} failures; "
        f"slowest {slowest * 1000:.1f} ms",
        not failures,
    )


def _read(target: Target, data: bytes) -> tuple[str, str, float]:
    """Return the kind of outcome, what failed, and the seconds that it took."""
    outcome, failure = "failure", ""
    started = time.thread_time()
    try:
        outcome = target.read(data)
    except Exception:  # whatever is raised is what this looks for
        failure = traceback.format_exc()
    return outcome, failure, time.thread_time() - started


def _targets(directory: Path) -> dict[str, Target]:
    return {
        "data frames": Target(_read_data, [pack_data(2, 7, b"abc"), pack_data(1, 1, b"")]),
        "control messages": Target(_read_control, _MESSAGES),
        "WebSocket frames": Target(_read_websocket, _websocket_seeds()),
        "HTTP requests and responses": Target(_read_http, _HTTP),
        "terminal output": Target(_read_output, _OUTPUT),
        "snapshots of what was printed": Target(_read_snapshot, _OUTPUT),
        "authorized keys": Target(_read_keys, [_KEYS.encode()]),
        "configuration": Target(lambda data: _read_config(directory / "hub.toml", data), [_CONFIG]),
    }  # fmt: skip


_codec = FrameCodec()
_MESSAGES = [
    b'{"t":"channel.window","c":3,"d":{"stream":"stdout","credit":131072}}',
    b'{"t":"session.open","c":1,"d":{"nodeId":"db-1","mode":"exec","command":"ls","env":{"A":"b"}}}',
    b'{"t":"node.heartbeat","d":{"nodeId":"db-1","activeSessions":2,"seq":9,"ts":"2026-01-02T03:04:05.678Z"}}',
    b'{"t":"node.register","d":{"nodeId":"db-1","platform":{"os":"linux","arch":"x64"},"labels":{"env":"prod"}}}',
    b'{"t":"ping","d":{"id":"x","ts":"2026-01-02T03:04:05+02:00"}}',
]


def _read_data(data: bytes) -> str:
    try:
        frame = _codec.decode(data)
    except ProtocolException as exc:
        return str(exc)
    assert isinstance(frame, DataFrame)
    # All but the version, which nobody looks at.
    assert _codec.encode(frame)[1:] == data[1:]
    return "read"


def _read_control(data: bytes) -> str:
    try:
        frame = _codec.decode_control(data)
    except ProtocolException as exc:
        return _kind(str(exc))
    again = _codec.decode_control(encode_control(frame.message, frame.channel))
    assert again == frame or b"\\u" in data or not data.isascii(), "it is not what was written"
    return f"read {frame.message.TYPE} {sorted(frame.message.to_wire())}"


def _websocket_seeds() -> list[bytes]:
    payloads = (b"x", b"hello" * 40, bytes(1000))
    whole = [b"".join(bulk_frame(kind, data, mask=True)) for kind in (TEXT, BINARY) for data in payloads]
    return [*whole, b"".join(whole[:3]), b"\x89\x85abcdhello" + whole[0], b"\x88\x82abcd\x00\x00"]


def _read_websocket(data: bytes) -> str:
    reader, fed = BulkFrameReader(masked=True), memoryview(data)
    once = [(kind, bytes(part)) for kind, part in reader.feed(fed)]
    middle = len(data) // 2
    reader = BulkFrameReader(masked=True)
    twice = [(kind, bytes(part)) for half in (fed[:middle], fed[middle:]) for kind, part in reader.feed(half)]
    assert _joined(once) == _joined(twice)
    return " ".join(f"{kind:x}" for kind, _ in once[:8])


def _joined(parts: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Pieces for `websockets`, side by side, as one."""
    joined: list[tuple[int, bytes]] = []
    for kind, data in parts:
        if joined and kind == 0 == joined[-1][0]:
            joined[-1] = (0, joined[-1][1] + data)
        else:
            joined.append((kind, data))
    return joined


_BETWEEN = b"\xfe"
"""In an input for HTTP: what stands before it comes from the outside, what stands behind it from the target."""

_REQUESTS = [
    b"GET /a?b=c HTTP/1.1\r\nHost: app:80\r\nAccept: */*\r\n\r\n",
    b'POST /u HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;n="v"\r\nhello\r\n0\r\nX-S: 1\r\n\r\n',
    b"PUT /f HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
]
_RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 204 No\r\n\r\n",
    b"HTTP/1.1 100 C\r\n\r\n",
    b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.0 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
]
_HTTP = [_BETWEEN.join(pair) for pair in zip(_REQUESTS, _RESPONSES, strict=True)]


def _read_http(data: bytes) -> str:
    marks = ForwardingHeaders(
        client_address="203.0.113.7",
        is_secure=True,
        public_port=20001,
        tunnel="abcdefgh",
        node_id="db-1",
        owner="ann",
        new_request_id=lambda: "id",
    )
    forwarder = HttpForwarder(marks)
    asked, _, answered = data.partition(_BETWEEN)
    sent = len(forwarder.request_bytes(asked)) + len(forwarder.response_bytes(answered))
    for _ in range(len(data) + 1):
        if not forwarder.has_work:
            break
        sent += len(forwarder.work())
    else:
        raise AssertionError("it never comes to an end")
    refusal = forwarder.refusal
    return f"{bool(sent)} {forwarder.is_holding} {_kind(refusal.text) if refusal else ''}"


_OUTPUT = [
    b"\x1b[2J\x1b[1;1H\x1b[1;38;5;200mhello\x1b[0m\r\nworld\x1b[3;10r\x1b[5M\x1b[2L\x1b[10@\x1b[4P\x1b[7X\x1b[b",
    b"\x1b[?1049h\x1b[?25l\x1b[38;2;1;2;3m\xe2\x94\x80\xe4\xb8\xad\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb\x1b[?1049l\x1b7\x1b8\x1bM",
    b"\x1b]2;title\x07\x1b]52;c;aGk=\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1bP$qm\x1b\\\x1b(0qqq\x1b(B\x0e\x0f",
    b"a\tb\x08c\x07\x0b\x0c\x1b[3g\x1bH\x1b[5I\x1b[2Z\x1b[20h\x1b[4h\x1b[?6h\x1b[?7l\x1b[!p\x1b#8\x1b[c\x1b[6n\x1b[>c",
    b"\x1b[?2004h\x1b[?1000;1006h\x1b[?69h\x1b[2;5s\x1b[4:3m\x1b[58;5;1mu\x1b[?1h\x1b=\x1b>\x1b[2 q\x1b[1;2;3t",
]


def _fed(data: bytes) -> Emulator:
    screen = Emulator(24, 8)
    screen.feed(data)
    return screen


def _read_output(data: bytes) -> str:
    return _kind_of(_fed(data))


def _read_snapshot(data: bytes) -> str:
    # Painted is what is complete: a sequence that has only begun is left.
    screen = _fed(data + b"\x18")
    assert state(_fed(paint(screen))) == state(screen), "what is painted is another screen"
    return _kind_of(screen)


def _kind_of(screen: Emulator) -> str:
    return f"{screen.on_alternate_screen} {screen.margins} {sorted(map(str, screen.mode))[:6]} {screen.unfinished}"


_KEY = Ed25519PublicKey(b"\x01" * 32).to_base64()
_KEYS = f"# keys\r\nalice {_KEY} admin,dev Alice B.\n\nbob\t{_KEY}\n"


def _read_keys(data: bytes) -> str:
    try:
        return f"{len(parse_authorized_keys(data.decode(errors='surrogateescape')))} keys"
    except ConfigException as exc:
        return _kind(str(exc))


_CONFIG = b"""# a hub
host = "::1"
port = 9443
grant-token = ["a:b:c"]
heartbeat-timeout = 12.5
audit-keep = "90d"

[nodes."db.2".labels]
env = "prod"
"""


def _read_config(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    try:
        return f"read {sorted(read_options(path, HUB_START.options).values)}"
    except ConfigException as exc:
        return _kind(str(exc))


def _kind(text: str) -> str:
    """A message without what differs from one input to the next."""
    return "".join("9" if letter.isdigit() else letter for letter in text)[:60]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="targets, by the beginning of their names; all if none is given")
    parser.add_argument("--inputs", type=int, default=10_000_000, help="for each target")
    parser.add_argument("--seconds", type=float, default=300.0, help="for each target, where that comes first")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        chosen = {
            name: target
            for name, target in _targets(Path(directory)).items()
            if not options.only or name.startswith(tuple(options.only))
        }
        figures = [fuzz(name, target, options.inputs, options.seconds, options.seed) for name, target in chosen.items()]
    report("fuzz", *figures)


if __name__ == "__main__":
    main()
