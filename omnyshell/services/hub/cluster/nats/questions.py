"""Questions of others that a hub answers over the engine, which keeps none of them."""

import logging
from collections.abc import Awaitable, Callable

from omnyshell.extras import needs

with needs("cluster"):
    import nats.errors
    from nats.aio.client import Client

logger = logging.getLogger("omnyshell.cluster")


async def answer_all(
    client: Client,
    subjects: str,
    answer: Callable[[str, bytes], Awaitable[bytes | None]],
    inbox: Callable[[str], str],
) -> None:
    """Answer what comes on subjects, one after another, until the connection is lost.

    `answer` gets the subject and the question; None is no answer. `inbox` returns where whoever asks on a subject may
    hear, without its last dot: a question that names another place for its answer gets none, as this hub may write
    where others may not.
    """
    try:
        questions = await client.subscribe(subjects)
        async for question in questions.messages:
            if not question.reply.startswith(f"{inbox(question.subject)}."):
                logger.warning("who asks on %s wants the answer elsewhere, and gets none", question.subject)
                continue
            said = await answer(question.subject, question.data)
            if said is not None:
                await question.respond(said)
    except (nats.errors.Error, OSError) as exc:
        logger.info("nobody is answered on %s any more: %s", subjects, str(exc) or type(exc).__name__)
