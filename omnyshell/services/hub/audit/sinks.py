"""Sinks, to which audit records go besides the trail: a file, syslog, stdout.

A record is one JSON object on a line, with its hash.
"""

import logging
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Protocol

from omnyshell.errors import ConfigException
from omnyshell.hosts import is_name_or_address
from omnyshell.paths import user_path
from omnyshell.printable import printable_json
from omnyshell.services.hub.audit import syslog_tls
from omnyshell.services.hub.audit.chain import ChainedRecord
from omnyshell.services.hub.audit.syslog_tls import SyslogTlsSink
from omnyshell.services.hub.ground.audit_settings import SinkTls

SINK_LIMIT = 10_000
"""Records that may wait for a sink; beyond it the sink misses some, and gets a record of how many."""

SINK_BATCH = 500
"""Records that are passed to a sink at a time."""

SINK_RETRY = 1.0
"""Seconds between attempts while a sink fails."""

KINDS = "file:PATH, syslog, syslog:HOST:PORT, syslog-tls:HOST:PORT or stdout"

_PLACE = re.compile(r"(?:\[([^\[\]]*:[^\[\]]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?", re.ASCII)
_SYSLOG_PORT = 514
_CLOSE_TIMEOUT = 2.0

logger = logging.getLogger("omnyshell.audit")


class Sink(Protocol):
    """Receives lines that are committed to the trail.

    It runs in a thread of its own, so it may block; when the hub stops, it is waited for `_CLOSE_TIMEOUT` seconds.
    """

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines of JSON, given without line ends. Raises `OSError` if it cannot.

        After an error the same lines are given again, from the first on, and more may follow them: a sink that has
        written some of them remembers how many, or has them twice.
        """

    def close(self) -> None:
        """Release its resources."""


class FileSink:
    """Appends to a file of mode 0600, and opens a new one when it was moved away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._is_cut = False

    def write(self, lines: Sequence[bytes]) -> None:
        """Append the lines."""
        self._follow_rotation()
        # A partly written line is ended here: the whole line is written again.
        data = (b"\n" if self._is_cut else b"") + b"".join(line + b"\n" for line in lines)
        while data:
            written = os.write(self._fd, data)
            self._is_cut = data[written - 1 : written] != b"\n"
            data = data[written:]

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
        """Do nothing."""


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
    """Feeds one sink from a bounded queue. Records that a sink fails to take are passed again until it takes them."""

    def __init__(self, sink: Sink, name: str, limit: int = SINK_LIMIT) -> None:
        self._sink = sink
        self._name = name
        self._limit = limit
        self._waiting: deque[ChainedRecord] = deque()
        self._changed = threading.Condition()
        self._missed = 0
        self._is_failing = False
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name=f"audit-{name}", daemon=True)
        self._thread.start()

    def put(self, chained: Sequence[ChainedRecord]) -> None:
        """Queue records; never waits for the sink.

        If the queue is full they are dropped, which is logged and recorded.
        """
        with self._changed:
            room = self._limit - len(self._waiting)
            self._waiting.extend(chained[:room])
            if len(chained) > room:
                if not self._missed:
                    logger.error("AUDIT SINK %s MISSES RECORDS: %d wait for it", self._name, len(self._waiting))
                self._missed += len(chained) - room
            self._changed.notify()

    def close(self) -> None:
        """Write waiting records for a limited time, and end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(_CLOSE_TIMEOUT)
        if self._waiting:
            logger.error("audit sink %s has not taken %d records", self._name, len(self._waiting))

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._sink.write([export_line(record) for record in batch])
            except Exception as exc:
                if not self._is_failing:
                    logger.error("AUDIT SINK %s FAILS, records wait: %s", self._name, exc)
                self._is_failing = True
                if self._pause():
                    break
            else:
                self._took(len(batch))
        self._sink.close()

    def _next(self) -> list[ChainedRecord]:
        """Wait for records, and return the first batch; an empty one if the thread is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            return list(islice(self._waiting, SINK_BATCH))

    def _pause(self) -> bool:
        """Wait until the next attempt; return whether the thread is to end instead."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_closing, SINK_RETRY)

    def _took(self, count: int) -> None:
        with self._changed:
            for _ in range(count):
                self._waiting.popleft()
            missed, self._missed = self._missed, 0
        if self._is_failing or missed:
            logger.error("audit sink %s works again; it missed %d records", self._name, missed)
        self._is_failing = False


def export_line(record: ChainedRecord) -> bytes:
    """The exported form of a record: its JSON, followed by its hash and the previous hash.

    Unprintable characters are escaped: records of version 0.1 may have some, and altered ones anything.
    """
    head, _, _ = printable_json(record.text.decode("utf-8", "replace")).rpartition("}")
    return f'{head},"previous":"{record.previous.hex()}","hash":"{record.hash.hex()}"}}'.encode()


def open_sink(text: str, tls: SinkTls | None = None) -> Sink:
    """Open the sink that a text names, see `KINDS`. Raises `ConfigException`."""
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        return FileSink(user_path(rest))
    if text == "stdout":
        return StdoutSink()
    if text == "syslog":
        return SyslogSink("/dev/log")
    if kind == "syslog":
        return SyslogSink(_place(rest, _SYSLOG_PORT, text))
    if kind == "syslog-tls":
        return SyslogTlsSink(*_place(rest, syslog_tls.PORT, text), (tls or SinkTls()).context())
    raise ConfigException(f"an audit sink is {KINDS}, not '{text}'")


def _place(place: str, port: int, text: str) -> tuple[str, int]:
    """Read HOST, HOST:PORT or [HOST]:PORT; an IPv6 address without a port may do without brackets.

    Raises `ConfigException` naming `text`, the whole sink.
    """
    found = _PLACE.fullmatch(place)
    host = place if found is None else found[1] or found[2]
    given = int(found[3] or port) if found is not None else port
    if not is_name_or_address(host):
        raise ConfigException(f"the audit sink '{text}': '{host}' is neither the name of a host nor an IP address")
    if not 0 < given < 65536:
        raise ConfigException(f"the audit sink '{text}': a port is from 1 to 65535, not {given}")
    return host, given


def start_sinks(texts: Iterable[str], tls: SinkTls | None = None) -> list[SinkThread]:
    """Start the named sinks. Raises `ConfigException` before any is started."""
    opened = [(open_sink(text, tls), text) for text in texts]
    return [SinkThread(sink, text) for sink, text in opened]
