"""Which streams there are, and how they are made."""

import asyncio
from typing import NamedTuple

from omnyshell.extras import needs
from omnyshell.services.hub.cluster.nats.connection import manager, why
from omnyshell.services.hub.cluster.order.order import EngineAwayException, Origin

with needs("cluster"):
    import nats.errors
    from nats.aio.client import Client
    from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo
    from nats.js.errors import APIError, NotFoundError, ServerError, ServiceUnavailableError

__all__ = ["Client", "Copies", "as_origin", "copies_of", "make_streams", "origin_of", "places_stream", "truth_stream"]

ALL, LAST_OF_EACH = -1, 1
"""How many records of a subject a stream keeps."""

_ATTEMPTS, _PAUSE = 40, 0.5


class Copies(NamedTuple):
    """How a stream is kept."""

    last: int
    """The number of its last record."""

    leader: str
    """The server that orders it; empty where there is none now."""

    copies: int
    current: int
    """How many copies have all of it, the leader's among them."""


def truth_stream(generation: str) -> str:
    """Return the name of the stream with what is true."""
    return f"omnyshell-truth-{generation}"


def places_stream(generation: str) -> str:
    """Return the name of the stream with who is where."""
    return f"omnyshell-places-{generation}"


async def copies_of(client: Client, stream: str) -> Copies:
    """Ask how a stream is kept. Raises `EngineAwayException` where that is not answered, or there is no such stream."""
    try:
        info = await manager(client).stream_info(stream)
    except APIError as exc:
        raise EngineAwayException(f"the engine does not know {stream}: {why(exc)}") from exc
    except nats.errors.Error as exc:
        raise EngineAwayException(f"the engine does not answer: {str(exc) or type(exc).__name__}") from exc
    others = (info.cluster.replicas or []) if info.cluster is not None else []
    leader = (info.cluster.leader or "") if info.cluster is not None else ""
    current = sum(bool(each.current) for each in others)
    # Who leads is not among the others; where nobody does, all are.
    leading = 0 if info.cluster is not None and not leader else 1
    return Copies(info.state.last_seq, leader, leading + len(others), leading + current)


async def origin_of(client: Client, stream: str) -> Origin | None:
    """Return what tells a stream from another one of its name; None if there is none. Raises `EngineAwayException`."""
    try:
        return as_origin(await manager(client).stream_info(stream))
    except NotFoundError:
        return None
    except (APIError, nats.errors.Error) as exc:
        raise EngineAwayException(f"the engine does not answer: {str(exc) or type(exc).__name__}") from exc


def as_origin(info: StreamInfo) -> Origin:
    """Return what a stream's description says of it."""
    return Origin(created=info.created.isoformat() if info.created is not None else "", last=info.state.last_seq)


async def make_streams(client: Client, generation: str, replicas: int) -> None:
    """Make the streams of a generation; one that is there stays as it is.

    Servers that have just been started take a moment. Raises `EngineAwayException` if it cannot be done.
    """
    await _make(client, truth_stream(generation), f"omnyshell.{generation}.truth.*", replicas, ALL)
    await _make(client, places_stream(generation), f"omnyshell.{generation}.places.>", replicas, LAST_OF_EACH)


async def _make(client: Client, name: str, subject: str, replicas: int, kept: int) -> None:
    config = StreamConfig(
        name=name,
        subjects=[subject],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        num_replicas=replicas,
        max_msgs_per_subject=kept,
        # What was acknowledged is never taken back: nobody may delete, purge or roll up.
        deny_delete=True,
        deny_purge=True,
        allow_rollup_hdrs=False,
    )
    problem = ""
    for _ in range(_ATTEMPTS):
        try:
            await manager(client).add_stream(config)
        except (ServiceUnavailableError, ServerError) as exc:
            problem = why(exc)
        except APIError as exc:
            raise EngineAwayException(f"the engine does not make the stream {name}: {why(exc)}") from exc
        except nats.errors.Error as exc:
            problem = str(exc) or type(exc).__name__
        else:
            return
        await asyncio.sleep(_PAUSE)
    raise EngineAwayException(f"the engine does not make the stream {name}: {problem}")
