"""Tells the hubs in touch what was denied while the engine is away, and has what they tell hold here."""

import logging

from omnyshell.errors import OmnyShellException
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.cluster.links.link import AnyLink
from omnyshell.services.hub.cluster.links.links import HubLinks
from omnyshell.services.hub.cluster.links.words import Denied
from omnyshell.services.hub.cluster.shared.denials import Denial, what_it_denies
from omnyshell.services.hub.cluster.shared.log import SharedLog

logger = logging.getLogger("omnyshell.cluster")


class DenialsTold:
    """Between the denials of a hub and its links. A hub passes on what is new to it, so that each is told of each."""

    def __init__(self, log: SharedLog, links: HubLinks, audit: AuditLog) -> None:
        """`audit` notes what other hubs have denied."""
        self._log, self._links, self._audit = log, links, audit
        log.denials.on_taken = self._tell_all
        links.on(Denied, self._heard)
        links.on_up.append(self._tell_one)

    def _tell_all(self, denial: Denial) -> None:
        self._links.tell_all(Denied(*denial))

    def _tell_one(self, link: AnyLink) -> None:
        for denial in self._log.denials.held():
            link.say(Denied(*denial))

    def _heard(self, link: AnyLink, word: Denied) -> None:
        denial = Denial(word.hub, word.body, word.signature)
        key = self._log.members.key_of(denial.hub)
        try:
            if key is None:
                raise ValueError(f"it tells what '{denial.hub}' denies, which is no member")
            is_new = self._log.heard(denial, key)
        except ValueError as exc:
            self._links.refused(link.hub, str(exc))
        except OmnyShellException as exc:
            logger.error("what hub '%s' denies cannot be kept: %s", denial.hub, exc)
        else:
            if is_new:
                self._note(denial)
                self._links.tell_all(word)

    def _note(self, denial: Denial) -> None:
        what = what_it_denies(denial)
        logger.warning("hub '%s' denies while the engine is away: %s", denial.hub, what)
        self._audit.record("lock.told", detail=what, reason=f"of hub {denial.hub}")
