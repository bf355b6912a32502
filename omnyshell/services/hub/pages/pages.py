"""The pages of the hub's port for plain HTTPS: `/healthz`, `/readyz` and `/metrics`."""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable
from http import HTTPStatus

from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.transport.plain_http import HttpReply, HttpRequest

_ALLOWED = ("Allow", "GET, HEAD")
_BEARER = "bearer "


class HubPages:
    """Answers plain requests.

    `not_ready` returns why the hub cannot serve, or ""; `audit` returns the faults of its audit trail, or "". Metrics
    need the token, or a connection from the loopback if that is allowed; if neither is configured, the page does not
    exist.
    """

    def __init__(
        self,
        *,
        not_ready: Callable[[], str],
        audit: Callable[[], str],
        metrics: Callable[[], bytes],
        metrics_type: str,
        token: str | None,
        is_for_loopback: bool,
    ) -> None:
        self._not_ready = not_ready
        self._audit = audit
        self._metrics = metrics
        self._metrics_type = metrics_type
        self._set_metrics(token, is_for_loopback=is_for_loopback)
        self._pages: dict[str, Callable[[HttpRequest], HttpReply]] = {
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/metrics": self._show_metrics,
        }

    def follow(self, config: HubConfig) -> None:
        """Use other settings from now on."""
        self._set_metrics(config.metrics_token, is_for_loopback=config.metrics_from_loopback)

    def _set_metrics(self, token: str | None, *, is_for_loopback: bool) -> None:
        self._is_for_loopback = is_for_loopback
        self._token_hash = hashlib.sha256(token.encode()).digest() if token else None

    def answer(self, request: HttpRequest) -> HttpReply:
        """Return a page; 404 for an unknown one, 405 for a method that is not read-only, 426 for the peers' path."""
        if request.method not in ("GET", "HEAD"):
            return HttpReply.of(HTTPStatus.METHOD_NOT_ALLOWED, _ALLOWED)
        page = self._pages.get(request.path)
        if page is not None:
            return page(request)
        if request.path == "/":
            return HttpReply.of(HTTPStatus.UPGRADE_REQUIRED, ("Upgrade", "websocket"))
        return HttpReply.of(HTTPStatus.NOT_FOUND)

    def _health(self, _request: HttpRequest) -> HttpReply:
        return HttpReply(HTTPStatus.OK, b"ok\n")

    def _readiness(self, _request: HttpRequest) -> HttpReply:
        why = self._not_ready()
        if why:
            return HttpReply(HTTPStatus.SERVICE_UNAVAILABLE, f"{why}\n".encode())
        condition = self._audit()
        # A hub whose trail was tampered with stays ready: otherwise tampering would be a way to stop it.
        return HttpReply(HTTPStatus.OK, f"ready\naudit: {condition}\n".encode() if condition else b"ready\n")

    def _show_metrics(self, request: HttpRequest) -> HttpReply:
        if self._token_hash is None and not self._is_for_loopback:
            return HttpReply.of(HTTPStatus.NOT_FOUND)
        given = request.headers.get("authorization")
        if given is None and not (self._is_for_loopback and _is_loopback(request.address)):
            return HttpReply.of(HTTPStatus.UNAUTHORIZED, ("WWW-Authenticate", "Bearer"))
        if given is not None and not self._is_token(given):
            return HttpReply.of(HTTPStatus.FORBIDDEN)
        return HttpReply(HTTPStatus.OK, self._metrics(), self._metrics_type)

    def _is_token(self, given: str) -> bool:
        if self._token_hash is None or not given.lower().startswith(_BEARER):
            return False
        offered = hashlib.sha256(given[len(_BEARER) :].strip().encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(offered, self._token_hash)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
