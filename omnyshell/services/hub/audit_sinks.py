"""Where audit records go beside the trail: a file, syslog, stdout. Each is one JSON object a line, with its hash."""

import logging
import os
import queue
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Protocol

from omnyshell.errors import ConfigException
from omnyshell.paths import user_path
from omnyshell.printable import printable_json
from omnyshell.services.hub.audit_chain import ChainedRecord

SINK_LIMIT = 10_000
"""Records that may wait for a sink; beyond it that sink misses some, which it is told."""

_SYSLOG_PORT = 514
_CLOSE_TIMEOUT = 1.0

logger = logging.getLogger("omnyshell.audit")


class Sink(Protocol):
    """Takes lines that are committed to the trail. Runs in a thread of its own, so it may block."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Take lines of JSON, without line ends. Raises `OSError` where it cannot."""

    def close(self) -> None:
        """Let go of what it holds."""


class FileSink:
    """Appends to a file of mode 0600, and opens it anew when it was moved away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def write(self, lines: Sequence[bytes]) -> None:
        """Append the lines."""
        self._follow_rotation()
        data = b"".join(line + b"\n" for line in lines)
        while data:
            data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _follow_rotation(self) -> None:
        if self._fd >= 0:
            mine = os.fstat(self._fd)
            with suppress(FileNotFoundError):
                there = self._path.stat()
                if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                    return
            self.close()
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


class StdoutSink:
    """Writes to stdout."""

    def write(self, lines: Sequence[bytes]) -> None:
        """Write the lines and flush."""
        sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Nothing is held."""


class SyslogSink:
    """Sends to the machine's syslog, or to another's over UDP, as facility authpriv."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self._address = address
        self._handler: SysLogHandler | None = None

    def write(self, lines: Sequence[bytes]) -> None:
        """Send one datagram a line."""
        if self._handler is None:
            self._handler = _RaisingSyslog(self._address, facility=SysLogHandler.LOG_AUTHPRIV)
            self._handler.ident = "omnyshell-audit: "
        for line in lines:
            self._handler.emit(logging.LogRecord("audit", logging.INFO, "", 0, line.decode(), None, None))

    def close(self) -> None:
        """Close the socket."""
        if self._handler is not None:
            self._handler.close()
            self._handler = None


class _RaisingSyslog(SysLogHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        error = sys.exc_info()[1]
        raise error if isinstance(error, OSError) else OSError(str(error))


class SinkThread:
    """Feeds one sink from a bounded queue. A sink that fails is tried again with the next records."""

    def __init__(self, sink: Sink, name: str, limit: int = SINK_LIMIT) -> None:
        self._sink = sink
        self._name = name
        self._queue: queue.Queue[Sequence[ChainedRecord] | None] = queue.Queue(limit)
        self._missed = 0
        self._thread = threading.Thread(target=self._run, name=f"audit-{name}", daemon=True)
        self._thread.start()

    def put(self, chained: Sequence[ChainedRecord]) -> None:
        """Hand over records; never waits."""
        if chained:
            try:
                self._queue.put_nowait(chained)
            except queue.Full:
                self._miss(len(chained), "too slow")

    def close(self) -> None:
        """Write what waits, for a while, and end."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=_CLOSE_TIMEOUT)
        self._thread.join(_CLOSE_TIMEOUT)

    def _run(self) -> None:
        while (chained := self._queue.get()) is not None:
            try:
                self._sink.write([export_line(record) for record in chained])
            except OSError as exc:
                self._miss(len(chained), str(exc))
            else:
                if self._missed:
                    logger.error("audit sink %s works again; it missed %d records", self._name, self._missed)
                    self._missed = 0
        self._sink.close()

    def _miss(self, count: int, why: str) -> None:
        if not self._missed:
            logger.error("AUDIT SINK %s MISSES RECORDS: %s", self._name, why)
        self._missed += count


def export_line(record: ChainedRecord) -> bytes:
    """A record as it leaves the trail: its JSON, with its hash and the one before behind it.

    Records of version 0.1 may hold what is not printable, and altered ones anything: that is escaped here.
    """
    head, _, _ = printable_json(record.text.decode("utf-8", "replace")).rpartition("}")
    return f'{head},"previous":"{record.previous.hex()}","hash":"{record.hash.hex()}"}}'.encode()


def open_sink(text: str) -> Sink:
    """Return the sink that `file:PATH`, `syslog`, `syslog:HOST[:PORT]` or `stdout` names. Raises `ConfigException`."""
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        return FileSink(user_path(rest))
    if text == "stdout":
        return StdoutSink()
    if text == "syslog":
        return SyslogSink("/dev/log")
    if kind == "syslog":
        host, _, port = rest.rpartition(":") if rest.count(":") == 1 else (rest, "", str(_SYSLOG_PORT))
        if host and port.isdigit() and 0 < int(port) < 65536:
            return SyslogSink((host, int(port)))
    raise ConfigException(f"an audit sink is file:PATH, syslog, syslog:HOST:PORT or stdout, not '{text}'")


def start_sinks(texts: Iterable[str]) -> list[SinkThread]:
    """Start the sinks that are named. Raises `ConfigException` before any is started."""
    opened = [(open_sink(text), text) for text in texts]
    return [SinkThread(sink, text) for sink, text in opened]
