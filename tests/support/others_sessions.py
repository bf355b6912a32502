"""A hub at which one principal has sessions, and others have some of the rights on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations

from support.memory_hub import MemoryHub, MemoryPeer, memory_hub
from support.rights import config_of, grant
from support.stack import Certificates

from omnyshell.model.sessions import PtySpec, SessionMode
from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import OF_HUB, OTHERS_SESSIONS

NEEDED = ("watch", "shell", "exec", "kill", "others")
CHOICES = [chosen for size in range(len(NEEDED) + 1) for chosen in combinations(NEEDED, size)]
OLD = OF_HUB - {OTHERS_SESSIONS}
ABSENT = "0b0e1f1e-0000-4000-8000-000000000001"


@contextmanager
def others_hub(certificates: Certificates) -> Iterator[MemoryHub]:
    """A hub at which `dev` has sessions, and principals that have some of the rights on them each."""
    people = {"-".join(("p", *chosen)): chosen for chosen in CHOICES}
    grants = [grant(principals=[name], rights=list(chosen)) for name, chosen in people.items() if chosen]
    tokens = [f"{name}:{name}-token:role" for name in people]
    config = config_of(certificates, grants, *tokens, "dev:dev-token:developer")
    kept = ("authenticator", "grants")
    with memory_hub(certificates, **{name: getattr(config, name) for name in kept}) as made:
        yield made


def shell(hub: MemoryHub, owner: MemoryPeer, node: MemoryPeer, channel: int = 1) -> tuple[int, str]:
    return hub.opens(owner, node, channel, mode=SessionMode.SHELL, pty=PtySpec())


def take_over(hub: MemoryHub, who: MemoryPeer, node: MemoryPeer, session_id: str, before: int = 0) -> int:
    """Have somebody take a session of `dev`; `before` is the node's channel that had it. Returns the new one."""
    who.says(m.SessionOpen(node_id="n1", mode="shell", resume_session_id=session_id, owner="dev", pty=PtySpec()), 9)
    channel, asked = node.hears_at(m.NodeSessionOpen)
    assert (asked.principal, asked.resume_session_id) == ("dev", session_id)
    if before:
        node.says(m.NodeSessionDetached(session_id=session_id, short_id=session_id[:8]), before)
    node.says(m.NodeSessionOpened(session_id=session_id), channel)
    assert who.hears(m.SessionOpened, 9).session_id == session_id
    return channel
