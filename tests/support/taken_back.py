"""What clients are told of connections that were asked for ahead, beside what nodes have heard of these."""

from collections.abc import Callable, Iterable

from support.fake_peers import FakePeer

from omnyshell.protocol.messages import SessionRejected
from omnyshell.services.hub.sessions.relay import ClientEnd


class TakenBack:
    """Follows each of them to its end: whoever hears that it was not used can ask again, and nothing is there twice."""

    def __init__(self, nodes: Callable[[], Iterable[FakePeer]], *, is_whole: bool) -> None:
        """`is_whole` says that a use arrives at the node at once, so that nobody can be told less than is true."""
        self._nodes, self._is_whole = nodes, is_whole
        self._asked: dict[tuple[FakePeer, int], str] = {}
        self._told_unused: set[str] = set()

    def asked(self, client: FakePeer, channel: int, ask: Callable[[], None], *, ahead: bool) -> None:
        """Have a client ask for a connection, and hold what it hears at once against that."""
        # What it has heard before is about what had this channel then.
        self.check((client,))
        was_free = channel not in client.channels
        ask()
        refused, client.refused = client.refused, []
        for where, said in refused:
            if where == channel:
                assert said.unused is ahead, "what was never there was used"
            else:
                self._hears(client, where, said)
        owner = client.channels.get(channel)
        if was_free and ahead and isinstance(owner, ClientEnd):
            self._asked[client, channel] = owner.route.asked_id
        elif was_free:
            self._asked.pop((client, channel), None)

    def check(self, clients: Iterable[FakePeer]) -> None:
        """Hold what clients have heard against what nodes have."""
        for client in clients:
            refused, client.refused = client.refused, []
            for channel, said in refused:
                self._hears(client, channel, said)
        assert not any(map(self._is_used, self._told_unused)), "what was taken back is used all the same"

    def _hears(self, client: FakePeer, channel: int, said: SessionRejected) -> None:
        id_ = self._asked.pop((client, channel), None)
        if id_ is None:
            assert not said.unused, "what was not asked for ahead was taken back"
        elif said.unused:
            self._told_unused.add(id_)
        else:
            assert self._is_used(id_) or not self._is_whole, "what is refused was not used, and nobody says so"

    def _is_used(self, id_: str) -> bool:
        return any(node.asked.get(id_) in node.used for node in self._nodes())
