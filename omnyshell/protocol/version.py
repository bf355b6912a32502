"""Version negotiation (docs/protocol.md#versions)."""

PROTOCOL_VERSION = 1
MIN_PROTOCOL_VERSION = 1


def is_protocol_compatible(version: int, remote_min: int | None = None) -> bool:
    """Tell whether a peer that speaks `version`, and at least `remote_min`, can talk to us.

    `None` for `remote_min` means the same as `version`.
    """
    if remote_min is None:
        remote_min = version
    return version >= MIN_PROTOCOL_VERSION and remote_min <= PROTOCOL_VERSION
