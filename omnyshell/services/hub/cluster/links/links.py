"""The links of one hub to all others: one for each, which the hub of the lesser id dials, again and again."""

import asyncio
import logging
import math
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from omnyshell.errors import ConfigException, OmnyShellException, UntrustedHubException
from omnyshell.model.targets import Target
from omnyshell.protocol.handshake import CLOSE_HUB_STOPPING, CLOSE_REPLACED, CLOSE_UNAUTHORIZED
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.links.certificates import Keys, LinkCertificates
from omnyshell.services.hub.cluster.links.door import Door
from omnyshell.services.hub.cluster.links.hello import Hello
from omnyshell.services.hub.cluster.links.link import AnyLink, HubLink, Stage
from omnyshell.services.hub.cluster.links.words import Word
from omnyshell.services.hub.cluster.members.members import Members
from omnyshell.transport.backoff import Backoff, BackoffTimes
from omnyshell.transport.client_link import ClientLink
from omnyshell.transport.endpoint import EndpointLimits, WsServerEndpoint
from omnyshell.transport.keepalive import Keepalive, KeepaliveTimes
from omnyshell.transport.serve_tls import dial_tls
from omnyshell.transport.server_link import FRAMES_A_TURN, ServerLink
from omnyshell.transport.strangers import StrangerLimit

TICK = 1.0
"""Seconds between looks at who is a member, and who is to be dialled."""

DIAL_TIMEOUT = 10.0
STOP_TIMEOUT = 1.0
LIMITS = EndpointLimits(
    max_connections=1024,
    max_before_login=StrangerLimit.exactly(256),
    max_before_login_by_address=StrangerLimit.exactly(64),
)
TIMES = BackoffTimes(shortest=0.5, first_ceiling=2.0, last_ceiling=15.0, short_outage=45.0, short_outage_ceiling=4.0)
"""Hubs are few, and each is missed by all."""

Hear = Callable[[AnyLink, Any], None]
"""Takes a word of another hub's, from the link on which it was said."""

logger = logging.getLogger("omnyshell.cluster")


class _Dialling:
    """One hub that this one dials."""

    def __init__(self) -> None:
        self.backoff = Backoff(times=TIMES)
        self.again_at = 0.0
        self.task: asyncio.Task[None] | None = None


class HubLinks:
    """Keeps the links. `start` it, and `aclose` it. What it has is bounded by the members and by `LIMITS`."""

    def __init__(
        self,
        hello: Hello,
        key: Ed25519PrivateKey,
        members: Members,
        places: Callable[[], Mapping[str, str]],
        refused: Callable[[str, str], None],
        changed: Callable[[Mapping[str, datetime], Mapping[str, str]], None],
    ) -> None:
        """`places` says where hubs listen for links, this one too if it does, as HOST:PORT.

        `refused` is told of who is not whom they would have to be, and why. `changed` is called in a thread with the
        hubs to which there are links, since when, and what `places` says; it may raise `OmnyShellException`.
        """
        self.hello = hello
        self.others: Keys = {}
        self._certificates = LinkCertificates(hello.hub, key)
        self._members = members
        self._places = places
        self._tell_refused = refused
        self._tell_changed = changed
        self._believed: Keys = {}
        """Those of whom TLS knows the keys."""

        self._accepting, self._dialling_tls = self._certificates.contexts(self._believed)
        self._endpoint: WsServerEndpoint | None = None
        self._keepalive: Keepalive | None = None
        self._open: set[AnyLink] = set()
        self._all_gone = asyncio.Event()
        self._up: dict[str, AnyLink] = {}
        self._dialled: dict[str, _Dialling] = {}
        self._door = Door()
        self._refusals: dict[str, str] = {}
        self._hear: dict[type[Any], list[Hear]] = {}
        self.on_up: list[Callable[[AnyLink], None]] = []
        """Called with each link that came up; words can be said on it."""

        self.on_down: list[Callable[[AnyLink], None]] = []
        """Called with each link that was up, and has ended or been replaced."""

        self.on_heard: list[Callable[[], None]] = []
        """Called about once a second in which another hub was heard, if only by an answer to a ping."""

        self._heard_at = 0.0
        self._is_changed = True
        self._keeper: asyncio.Task[None] | None = None

    # What has the hub calls

    async def start(self, listen: Target | None) -> None:
        """Listen, if the hub is to be dialled, and dial. Raises `TransportException` if the port is not available."""
        self._follow_members()
        self._keepalive = Keepalive(KeepaliveTimes())
        if listen is not None:
            endpoint = WsServerEndpoint(
                listen.host, listen.port, self._accepting, self._accepted, LIMITS, on_refused=self._turned_away
            )
            await endpoint.start()
            self._endpoint = endpoint
            logger.info("the hub listens for links of other hubs on %s", listen)
        self._keeper = asyncio.create_task(self._keep())

    async def aclose(self) -> None:
        """Close the port and all links, and end all tasks. Idempotent."""
        if self._endpoint is not None:
            await self._endpoint.stop_accepting()
        dials = [dialling.task for dialling in self._dialled.values() if dialling.task is not None]
        tasks = [*dials, *([self._keeper] if self._keeper is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for link in list(self._open):
            link.close(CLOSE_HUB_STOPPING, "hub stopping")
        if self._open:
            self._all_gone.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._all_gone.wait()
        for link in list(self._open):
            link.link.abort()
        await asyncio.sleep(0)
        self._tell_who_was_turned_away(math.inf)
        if self._keepalive is not None:
            self._keepalive.close()
        await self._tell()

    def up(self) -> dict[str, datetime]:
        """Return the hubs to which there are links, and since when."""
        return {hub: link.up_since for hub, link in self._up.items() if link.up_since is not None}

    def on(self, word: type[Any], hear: Hear) -> None:
        """Have a kind of words heard by `hear` too. It may not raise."""
        self._hear.setdefault(word, []).append(hear)

    def to(self, hub: str) -> AnyLink | None:
        """Return the link to a hub; None while there is none."""
        return self._up.get(hub)

    def tell_all(self, word: Word) -> None:
        """Say a word to each hub to which there is a link."""
        for link in list(self._up.values()):
            link.say(word)

    # What links call: see `Links`

    def came_up(self, link: AnyLink) -> None:
        """Use a link; an earlier one to that hub is half dead, or the hub would not have made another."""
        before = self._up.get(link.hub)
        self._up[link.hub], self._is_changed = link, True
        if before is not None:
            self._went_down(before)
            before.close(CLOSE_REPLACED, "there is a newer link")
        if self._endpoint is not None and isinstance(link.link, ServerLink):
            self._endpoint.logged_in(link.link)
            self._door.came_in(link.link.peer_address)
        if self._keepalive is not None:
            self._keepalive.watch(link.link)
        if (dialling := self._dialled.get(link.hub)) is not None:
            dialling.backoff.reset()
        self._refusals.pop(link.hub, None)
        logger.info("there is a link with hub '%s'", link.hub)
        for tell in self.on_up:
            tell(link)

    def said(self, link: AnyLink, word: Word) -> None:
        """Pass a word on to who hears its kind."""
        if self._up.get(link.hub) is link:
            for hear in self._hear.get(type(word), ()):
                hear(link, word)

    def refused(self, hub: str, why: str) -> None:
        """Tell of it, once as long as it stays the same."""
        if self._refusals.get(hub) != why:
            self._refusals[hub] = why
            self._tell_refused(hub, f"no link: {why}")

    def ended(self, link: AnyLink) -> None:
        """Forget a link, and dial its hub again soon where this one does."""
        self._forget(link)
        if self._keepalive is not None:
            self._keepalive.forget(link.link)
        if self._endpoint is not None and isinstance(link.link, ServerLink):
            self._endpoint.closed(link.link)
        if self._up.get(link.hub) is not link:
            return
        del self._up[link.hub]
        self._is_changed = True
        logger.info("there is no link with hub '%s' any more", link.hub)
        self._went_down(link)
        if (dialling := self._dialled.get(link.hub)) is not None:
            dialling.backoff.lost()
            self._rest(dialling)

    # The rest

    def _went_down(self, link: AnyLink) -> None:
        for tell in self.on_down:
            tell(link)

    def _forget(self, link: AnyLink) -> None:
        self._open.discard(link)
        if not self._open:
            self._all_gone.set()

    def _accepted(self) -> HubLink[ServerLink]:
        link = HubLink[ServerLink](self)
        self._open.add(link)
        return link

    def _turned_away(self, address: str, error: ssl.SSLError) -> None:
        self._door.refused(address, error, time.monotonic())

    def _tell_who_was_turned_away(self, now: float) -> None:
        for why in self._door.to_tell(now):
            self._tell_refused("", f"no link: {why}")

    async def _keep(self) -> None:
        while True:
            try:
                self._follow_members()
            except ConfigException as exc:
                logger.error("links go on with the members of before: %s", exc)
            self._dial_who_is_due()
            self._notice_who_is_heard()
            self._tell_who_was_turned_away(time.monotonic())
            if self._is_changed:
                self._is_changed = False
                await self._tell()
            await asyncio.sleep(TICK)

    def _notice_who_is_heard(self) -> None:
        heard_at = max((link.link.last_heard for link in self._up.values()), default=0.0)
        if heard_at > self._heard_at:
            self._heard_at = heard_at
            for tell in self.on_heard:
                tell()

    async def _tell(self) -> None:
        try:
            await asyncio.to_thread(self._tell_changed, self.up(), self._places())
        except OmnyShellException as exc:
            logger.warning("which links there are is not written down: %s", exc)

    def _follow_members(self) -> None:
        """Believe those who are members now, and nobody else; a hub that is none itself has no links.

        Raises `ConfigException` where new ones cannot be believed yet; who is none any more has no link all the same.
        """
        own = self.hello.hub
        keys = {hub: key for hub in self._members.hubs() if (key := self._members.key_of(hub)) is not None}
        others = {hub: key for hub, key in keys.items() if hub != own} if own in keys else {}
        if others != self.others:
            self.others = others
            self._leave_strangers()
        if others != self._believed:
            self._accepting, self._dialling_tls = self._certificates.contexts(others)
            self._believed = others
            if self._endpoint is not None:
                self._endpoint.use_tls(self._accepting)

    def _leave_strangers(self) -> None:
        for link in list(self._open):
            if link.stage is not Stage.OPENING and self.others.get(link.hub) != link.key:
                link.close(CLOSE_UNAUTHORIZED, "no member any more")
        for hub in [hub for hub in self._dialled if hub not in self.others]:
            task = self._dialled.pop(hub).task
            if task is not None:
                task.cancel()

    def _dial_who_is_due(self) -> None:
        now = time.monotonic()
        for hub, target in self._whom_to_dial().items():
            dialling = self._dialled.setdefault(hub, _Dialling())
            if hub not in self._up and dialling.task is None and now >= dialling.again_at:
                dialling.task = asyncio.create_task(self._dial(hub, target, dialling))

    def _whom_to_dial(self) -> dict[str, Target]:
        """Return the hubs that this one dials: of two that listen, the one with the lesser id does."""
        places, own = self._places(), self.hello.hub
        found = {}
        for hub, text in places.items():
            if hub in self.others and (own < hub or not places.get(own)):
                with suppress(ConfigException):
                    found[hub] = Target.parse(text)
        return {hub: target for hub, target in found.items() if not target.is_path}

    async def _dial(self, hub: str, target: Target, dialling: _Dialling) -> None:
        link = HubLink[ClientLink](self, hub)
        link.link = ClientLink(link, target.host, target.port, "/")
        # As of who dials this hub: another one may send as fast as it likes.
        link.link.frames_a_turn = FRAMES_A_TURN
        self._open.add(link)
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                await dial_tls(
                    link.link,
                    target.host,
                    target.port,
                    self._dialling_tls,
                    handshake_timeout=DIAL_TIMEOUT,
                    shutdown_timeout=STOP_TIMEOUT,
                )
                # A refused certificate shows late with TLS 1.3: as the end of what was open.
                await link.settled.wait()
        except UntrustedHubException as exc:
            self.refused(hub, f"what listens at {target} is not that hub: {exc}")
        except (OSError, UnicodeError, TimeoutError) as exc:
            logger.debug("hub '%s' cannot be reached at %s: %s", hub, target, exc)
        finally:
            if link.stage is not Stage.UP:
                link.link.abort()
                self._forget(link)
            dialling.task = None
            self._rest(dialling)

    @staticmethod
    def _rest(dialling: _Dialling) -> None:
        dialling.again_at = time.monotonic() + dialling.backoff.next_delay()
