"""Which streams there are, and how they are made."""

import asyncio

from omnyshell.extras import needs
from omnyshell.services.hub.cluster.nats.connection import manager, why
from omnyshell.services.hub.cluster.order.order import EngineAwayException

with needs("cluster"):
    import nats.errors
    from nats.aio.client import Client
    from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
    from nats.js.errors import APIError, ServerError, ServiceUnavailableError

ALL, LAST_OF_EACH = -1, 1
"""How many records of a subject a stream keeps."""

_ATTEMPTS, _PAUSE = 40, 0.5


def truth_stream(generation: str) -> str:
    """Return the name of the stream with what is true."""
    return f"omnyshell-truth-{generation}"


def places_stream(generation: str) -> str:
    """Return the name of the stream with who is where."""
    return f"omnyshell-places-{generation}"


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
