"""Agents at a socket: OpenSSH's own, and one in the test's loop, with a hardware token made of software."""

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.deadline import DEADLINE
from support.raw_admin import fields

SK = b"sk-ssh-ed25519@openssh.com"
PLAIN = b"ssh-ed25519"

needs_ssh_agent = pytest.mark.skipif(
    not all(map(shutil.which, ("ssh-agent", "ssh-add", "ssh-keygen"))), reason="needs OpenSSH's client"
)


@dataclass
class HeldKey:
    """A key of an agent; of a hardware token where it has an application."""

    comment: str = "token"
    application: str = "ssh:"
    flags: int = 1
    counter: int = 1
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def raw(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def blob(self) -> bytes:
        if not self.application:
            return fields(PLAIN, self.raw)
        return fields(SK, self.raw, self.application.encode())

    def line(self) -> str:
        """The key as a file `.pub` has it."""
        import base64

        kind = SK if self.application else PLAIN
        return f"{kind.decode()} {base64.b64encode(self.blob).decode()} {self.comment}"

    def sign(self, message: bytes) -> bytes:
        """What an agent answers, without its length."""
        if not self.application:
            return b"\x0e" + fields(fields(PLAIN, self.private.sign(message)))
        numbers = bytes([self.flags]) + self.counter.to_bytes(4, "big")
        self.counter += 1
        application, signed = (hashlib.sha256(text).digest() for text in (self.application.encode(), message))
        signature = self.private.sign(application + numbers + signed)
        return b"\x0e" + fields(fields(SK, signature) + numbers)


@dataclass
class FakeAgent:
    """An agent that holds keys, and notes what it was asked to sign."""

    path: Path
    keys: list[HeldKey]
    signed: list[bytes] = field(default_factory=list)
    touched: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while somebody touches whatever is to be touched."""

    asked_for_touch: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    says: Callable[[bytes], bytes | None] = lambda _body: None
    """What it writes in place of an answer; None for the right one."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                body = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
                other = self.says(body)
                writer.write(other if other is not None else fields(await self._answer(body)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections -= 1
            writer.close()

    async def _answer(self, body: bytes) -> bytes:
        if body[0] == 11:
            held = b"".join(fields(key.blob, key.comment.encode()) for key in self.keys)
            return b"\x0c" + len(self.keys).to_bytes(4, "big") + held
        size = int.from_bytes(body[1:5], "big")
        blob, rest = body[5 : 5 + size], body[5 + size :]
        message = rest[4 : 4 + int.from_bytes(rest[:4], "big")]
        found = next((key for key in self.keys if key.blob == blob), None)
        if body[0] != 13 or found is None:
            return b"\x05"
        self.signed.append(message)
        self.asked_for_touch.set()
        await self.touched.wait()
        return found.sign(message)


@asynccontextmanager
async def fake_agent(path: Path, *keys: HeldKey) -> AsyncIterator[FakeAgent]:
    """An agent whose keys are touched at once."""
    agent = FakeAgent(path, list(keys))
    agent.touched.set()
    server = await asyncio.start_unix_server(agent.serve, path)
    try:
        yield agent
    finally:
        server.close()
        # A connection that still waits ends with it.
        for task in asyncio.all_tasks():
            if task.get_coro().__qualname__ == FakeAgent.serve.__qualname__:  # type: ignore[union-attr]
                task.cancel()


@contextmanager
def ssh_agent(directory: Path) -> Iterator[dict[str, str]]:
    """OpenSSH's agent; yields an environment with it."""
    path = directory / "agent.sock"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE) as process:
        try:
            # It says where it listens once it does.
            assert process.stdout is not None
            assert b"SSH_AUTH_SOCK" in process.stdout.readline()
            yield {**os.environ, "SSH_AUTH_SOCK": str(path)}
        finally:
            process.terminate()


def ssh_add(env: dict[str, str], *words: str, stdin: str = "") -> None:
    subprocess.run(["ssh-add", "-q", *words], env=env, check=True, timeout=DEADLINE, input=stdin, text=True)


def ssh_key(path: Path, comment: str) -> str:
    """Make a key in a file; returns its public line."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    subprocess.run(words, check=True, timeout=DEADLINE)
    return path.with_suffix(".pub").read_text().strip()
