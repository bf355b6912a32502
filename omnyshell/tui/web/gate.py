"""Access control for the console in a browser: the link works once, and gives a cookie for later requests. No I/O."""

import hmac
import secrets
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

ENTRANCE: Final = "/enter/"

HEADERS: Final = {
    # Everything is served from here; the terminal in the page sets inline styles.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Verdict(Enum):
    """The decision about a request."""

    SERVE = auto()
    ENTER = auto()
    """The link is opened for the first time: set the cookie."""

    REFUSE = auto()


@dataclass(slots=True)
class Gate:
    """Decides about requests to one port on the loopback.

    The link works once; its cookie is valid until the console ends.
    """

    port: int
    link_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def address(self) -> str:
        """The origin of the pages. It is not `localhost`, as cookies are separated by host name, but not by port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def cookie_name(self) -> str:
        """The cookie's name, which depends on the port, as several consoles may be served."""
        return f"omnyshell-console-{self.port}"

    @property
    def link(self) -> str:
        """The link for the user to open."""
        return f"{self.address}{ENTRANCE}{self.link_token}"

    def judge(self, path: str, *, host: str, origin: str | None, cookie: str | None) -> Verdict:
        """Judge a request by its path, its headers `Host` and `Origin`, and its cookie.

        A foreign name that resolves to this machine shows in `Host` (DNS rebinding), a page of another site in
        `Origin`.
        """
        if f"http://{host}" != self.address or origin not in (None, self.address):
            return Verdict.REFUSE
        if path.startswith(ENTRANCE):
            return Verdict.ENTER if self._opens(path.removeprefix(ENTRANCE)) else Verdict.REFUSE
        return Verdict.SERVE if cookie is not None and _same(cookie, self.cookie) else Verdict.REFUSE

    def _opens(self, token: str) -> bool:
        if not self.link_token or not _same(token, self.link_token):
            return False
        self.link_token = ""
        return True


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())
