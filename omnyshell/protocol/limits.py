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
"""Bytes that a receiver may grant once beyond what it consumed, where throughput matters more than latency."""

EXTRA_AFTER = 32 * KIB
"""Bytes that have to flow before `EXTRA_CREDIT` is granted."""

WIDE_WINDOW_SIZE = 4 * MIB
"""Bytes that a node allows to be under way with the extension `wide-window`: it keeps as many to send them again, and a
hub takes no more credit."""

GRANT_THRESHOLD = 128 * KIB
"""Consumed bytes after which credit goes back at once: as late as docs/protocol.md#credit allows, as each grant
costs a message."""

GRANT_DELAY = 0.008
"""Seconds without consumption after which credit below the threshold is granted. The check runs at this interval, so it
takes twice as long at most; docs/protocol.md#credit allows 20 ms."""

WIDE_GRANT_SHARE = 4
"""The share of a wide window that is granted at once when consumed: one part in this many."""

WIDE_GRANT_DELAY = 0.001
"""Seconds without consumption after which credit below that share is granted. It is short because a sender that gives
way to typing keeps only `INITIAL_CREDIT` under way, and waits for the grant."""

MOST_EPOCHS = 2**53
"""Epochs of a node are less than this (docs/extensions.md#epochs)."""

MOST_JUMP = 2**24
"""By so much an epoch may be newer than the one before. Who says more is not believed, so that nobody can say one that
others could not go beyond."""

HEARTBEAT_INTERVAL = 10.0
HEARTBEAT_TIMEOUT = 30.0
SESSION_OPEN_TIMEOUT = 30.0
RELAYED_REQUEST_TIMEOUT = 10.0
