"""Sizes and times that the wire protocol fixes. Bytes and seconds unless the name says otherwise."""

KIB = 1024
MIB = 1024 * KIB

MAX_PAYLOAD = 64 * KIB
"""Payload of one data frame; longer writes are split."""

BULK_PAYLOAD = 60 * KIB
"""Payload of the frames that a stream is cut into while it flows: whole pages of a pipe, and, with all headers and four
TLS records, one segment of the loopback device (65,483 bytes)."""

MAX_TEXT_BEFORE_LOGIN = 64 * KIB
MAX_MESSAGE_TO_HUB = 4 * MIB
MAX_MESSAGE_FROM_HUB = 32 * MIB

INITIAL_CREDIT = 256 * KIB
"""Bytes a sender may have unacknowledged on a channel before any grant."""

MAX_CREDIT = 4 * MIB
"""Grants that would lift the outstanding credit above this are dropped by the hub (docs/protocol.md#credit)."""

MAX_GRANT = 2**31 - 1

EXTRA_CREDIT = 768 * KIB
"""What a receiver may grant once beyond what it consumed, where throughput matters more than latency."""

EXTRA_AFTER = 32 * KIB
"""Bytes that have to flow before it is granted."""

WIDE_WINDOW_SIZE = 4 * MIB
"""Bytes that a node allows to be under way with the extension `wide-window`: it keeps as many to send them again, and a
hub takes no more credit."""

GRANT_THRESHOLD = 128 * KIB
"""Consumed bytes after which credit goes back at once: as late as docs/protocol.md#credit allows, as each grant
costs a message."""

GRANT_DELAY = 0.008
"""Credit for less than the threshold goes back once nothing was consumed for so long. That is seen after twice the
time at the latest; docs/protocol.md#credit asks for 20 ms."""

WIDE_GRANT_SHARE = 4
"""Of a wide window, one part in so many is returned at once."""

WIDE_GRANT_DELAY = 0.001
"""Credit for less than that goes back when nothing was consumed for so long: a sender that gives way to somebody who
types has no more than `INITIAL_CREDIT` under way, and waits for it."""

HEARTBEAT_INTERVAL = 10.0
HEARTBEAT_TIMEOUT = 30.0
SESSION_OPEN_TIMEOUT = 30.0
RELAYED_REQUEST_TIMEOUT = 10.0
