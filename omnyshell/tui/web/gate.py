"""Who may see the console in a browser: whoever opened the link, once, and the pages that it led to. No I/O."""

import hmac
import secrets
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

ENTRANCE: Final = "/enter/"

HEADERS: Final = {
    # Everything comes from here; the terminal in the page sets styles as it draws.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Verdict(Enum):
    """What becomes of a request."""

    SERVE = auto()
    ENTER = auto()
    """The link, opened for the first time: the cookie is given out."""

    REFUSE = auto()


@dataclass(slots=True)
class Gate:
    """Judges requests to one port on loopback. The link opens once; what it gives is good until the console ends."""

    port: int
    link_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def address(self) -> str:
        """The origin of the pages. Not `localhost`: cookies know no ports, but they tell names apart."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def cookie_name(self) -> str:
        """Another one for each port: several consoles may be served."""
        return f"omnyshell-console-{self.port}"

    @property
    def link(self) -> str:
        """What the user opens."""
        return f"{self.address}{ENTRANCE}{self.link_token}"

    def judge(self, path: str, *, host: str, origin: str | None, cookie: str | None) -> Verdict:
        """Judge a request by its path, its headers `Host` and `Origin`, and its cookie.

        A name that was made to point at this machine shows in `Host`, a page of another site in `Origin`.
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
