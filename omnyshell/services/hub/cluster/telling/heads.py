"""Tells the hubs in touch where this hub's audit trail ends, and watches over what they tell of theirs.

A hub that was told of an end asks, at each later one, what the other has at the numbers that it was told before: a
trail that was cut and has grown again differs there.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.audit.chain import TOLD, Finding, Seal
from omnyshell.services.hub.audit.heads import SignedHead
from omnyshell.services.hub.audit.heads_of_others import HeadsOfOthers, Shown, broken_promises, shown_of
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.audit.trail import broken
from omnyshell.services.hub.audit.writer import AuditWriter
from omnyshell.services.hub.cluster.links.link import AnyLink
from omnyshell.services.hub.cluster.links.links import HubLinks
from omnyshell.services.hub.cluster.links.words import AuditHead, HeadsHeld, HeadsShown

MOST_ASKED = 16
"""Heads of which a hub is asked at a time."""

LEAST_PAUSE = 1.0
"""Seconds between two heads of one hub that are looked at: they are told each minute."""

logger = logging.getLogger("omnyshell.audit")


class HeadsTold:
    """Between the audit trail, its file, and the links. `aclose` it."""

    def __init__(self, links: HubLinks, audit: AuditLog, path: Path, heads: HeadsOfOthers, clock: Clock) -> None:
        """`path` is where the trail is. Raises `ConfigException` if `heads` cannot be read."""
        self._links, self._audit, self._path = links, audit, path
        self._heads, self._clock = heads, clock
        self._own: SignedHead | None = None
        self._asked: dict[str, tuple[int, list[SignedHead]]] = {}
        """What each hub was asked for last, and the question's number."""

        self._questions = count(1)
        self._looked_at: dict[str, float] = {}
        self._showing: dict[str, asyncio.Task[None]] = {}
        audit.cuts = [fault for _, fault in heads.faults()]
        audit.on_acknowledged = heads.acknowledge
        links.on(AuditHead, self._told)
        links.on(HeadsHeld, self._held)
        links.on(HeadsShown, self._shown)
        links.on_up.append(self._greet)
        links.on_down.append(self._forget)
        if audit.writer is not None:
            audit.writer.tell_heads(self._tell)

    async def aclose(self) -> None:
        """End its tasks. Idempotent."""
        tasks = tuple(self._showing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Where this hub's trail ends

    def _tell(self, head: SignedHead) -> None:
        self._own = head
        self._links.tell_all(_word_of(head))

    def _greet(self, link: AnyLink) -> None:
        if self._own is not None:
            link.say(_word_of(self._own))

    # Where others' trails end

    def _told(self, link: AnyLink, word: AuditHead) -> None:
        hub, now = link.hub, time.monotonic()
        if now - self._looked_at.get(hub, -LEAST_PAUSE) < LEAST_PAUSE:
            return
        self._looked_at[hub] = now
        try:
            head = _head_of(word)
            asked = self._heads.to_ask(hub, head.key, MOST_ASKED)
            findings = self._heads.take(hub, head)
        except ValueError as exc:
            self._links.refused(hub, str(exc))
        except OmnyShellException as exc:
            logger.error("where the audit trail of hub '%s' ends cannot be kept: %s", hub, exc)
        else:
            self._find(hub, findings)
            if asked and not findings:
                number = next(self._questions)
                self._asked[hub] = number, asked
                link.say(HeadsHeld(number, tuple(map(_word_of, asked))))

    def _shown(self, link: AnyLink, word: HeadsShown) -> None:
        number, asked = self._asked.get(link.hub, (0, []))
        if word.number != number:
            return
        try:
            self._find(link.hub, self._heads.compare(link.hub, asked, Shown(word.hashes, word.removed)))
        except OmnyShellException as exc:
            logger.error("what the audit trail of hub '%s' has cannot be kept: %s", link.hub, exc)

    def _forget(self, link: AnyLink) -> None:
        self._asked.pop(link.hub, None)

    def _find(self, hub: str, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if self._heads.note(hub, finding, self._clock.now()):
                logger.error("THE AUDIT TRAIL OF ANOTHER HUB IS BROKEN: %s", finding.text)
                self._audit.cuts.append(finding.text)
                self._audit.record("audit.cut", "error", reason=finding.kind, detail=finding.text)

    # What others hold of this hub's trail

    def _held(self, link: AnyLink, word: HeadsHeld) -> None:
        hub = link.hub
        if hub not in self._showing and self._audit.writer is not None:
            task = self._showing[hub] = asyncio.create_task(self._show(link, word, self._audit.writer))
            task.add_done_callback(lambda _: self._showing.pop(hub, None))

    async def _show(self, link: AnyLink, word: HeadsHeld, writer: AuditWriter) -> None:
        """Answer from the file, and see whether that is what this hub had said."""
        try:
            heads = [_head_of(each) for each in word.heads]
            shown = await asyncio.to_thread(shown_of, self._path, [head.seal.seq for head in heads])
        except (ValueError, OmnyShellException) as exc:
            logger.error("hub '%s' is not told what the audit trail has: %s", link.hub, exc)
            return
        link.say(HeadsShown(word.number, dict(shown.hashes), shown.removed))
        for finding in broken_promises(heads, writer.public_key, shown, f"hub '{link.hub}'"):
            if finding.text not in self._audit.gaps:
                self._audit.record(**broken(self._audit, finding))


def _word_of(head: SignedHead) -> AuditHead:
    mark = head.seal
    return AuditHead(head.key.raw, mark.seq, mark.hash, mark.at, mark.signature)


def _head_of(word: AuditHead) -> SignedHead:
    """Return a head as it was told. Raises `ValueError` where it is none."""
    try:
        key = Ed25519PublicKey(word.key)
    except OmnyShellException as exc:
        raise ValueError("the head of its audit trail names no key") from exc
    return SignedHead(Seal(TOLD, word.seq, word.hash, word.at, word.signature), key)
