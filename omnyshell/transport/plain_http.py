"""Answers to plain HTTPS requests on the hub's port: a few pages, and a refusal for everything else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

PLAIN_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request without an upgrade. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    address: str


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The answer to a request."""

    status: HTTPStatus
    body: bytes
    content_type: str = PLAIN_TEXT
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, status: HTTPStatus, *headers: tuple[str, str]) -> "HttpReply":
        """Return a reply whose body is its status in words."""
        return cls(status, f"{status.phrase}\n".encode(), headers=headers)


HttpResponder = Callable[[HttpRequest], HttpReply]


def is_upgrade(request: Request) -> bool:
    """Tell whether a request asks for an upgrade; any kind is then handled as a WebSocket handshake."""
    return "Upgrade" in request.headers


def respond(request: Request, address: str, responder: HttpResponder) -> Response:
    """Answer a plain request; the connection ends after the answer."""
    headers = {name.lower(): value for name, value in request.headers.raw_items()}
    path = request.path.partition("?")[0]
    reply = responder(HttpRequest(request.method, path, headers, address))
    answer = Headers(
        [
            ("Date", formatdate(usegmt=True)),
            ("Connection", "close"),
            ("Content-Length", str(len(reply.body))),
            ("Content-Type", reply.content_type),
            ("Cache-Control", "no-store"),
            *reply.headers,
        ]
    )
    body = b"" if request.method == "HEAD" else reply.body
    return Response(reply.status, reply.status.phrase, answer, body)
