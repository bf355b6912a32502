"""A bot on a hub's live state: runs a command on each node with a label as it comes, and says who comes and goes.

    python examples/bot.py role=web 'sudo apt-get -y upgrade'

It hears of changes as they happen, over a connection of its own. The login is the command line's, and the bot sees and
may do what that login may.
"""

import asyncio
import sys
from collections.abc import Callable

from omnyshell import (
    Change,
    ClientConfig,
    HubAccess,
    HubState,
    Link,
    LiveFeed,
    LiveNode,
    OmnyShellClient,
    OmnyShellException,
    Part,
    access_from_environment,
)

Say = Callable[[str], None]


class Greeter:
    """Greets each node that has come with a command; `run` it."""

    def __init__(self, access: HubAccess, label: tuple[str, str], command: str, say: Say = print) -> None:
        self._access = access
        self._label = label
        self._command = command
        self._say = say
        self._arrived: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        """Watch, and greet one node after another, until the hub refuses us."""
        state = HubState()
        state.watch(self.changed)
        feed = LiveFeed(self._access, state, parts=(Part.NODES,))
        async with OmnyShellClient(ClientConfig(access=self._access)) as client:
            greeting = asyncio.create_task(self._greet_all(client))
            try:
                # Lost hubs are dialled again, and what changed meanwhile is told then.
                await feed.run()
            finally:
                greeting.cancel()
                await feed.aclose()
        if state.link is Link.REFUSED:
            self._say(f"the hub refuses us: {state.link_error}")

    def changed(self, change: Change) -> None:
        """Called for each single change, in the event loop: it must not wait."""
        now, before = change.after, change.before
        if not isinstance(now, LiveNode):
            return
        is_here = now.is_online and not now.gone
        was_here = isinstance(before, LiveNode) and before.is_online
        if is_here == was_here:
            return
        self._say(f"{now.node_id} {'is here' if is_here else 'has left'}")
        key, value = self._label
        if is_here and now.labels.get(key) == value:
            self._arrived.put_nowait(now.node_id)

    async def _greet_all(self, client: OmnyShellClient) -> None:
        while True:
            node_id = await self._arrived.get()
            try:
                result = await client.execute(node_id, self._command, timeout=600)
            except OmnyShellException as exc:
                self._say(f"{node_id}: {exc}")
            else:
                text = result.stdout.decode(errors="replace").strip()
                self._say(f"{node_id}: exit code {result.status.shell_code}, {text}")


if __name__ == "__main__":
    key, _, value = sys.argv[1].partition("=")
    asyncio.run(Greeter(access_from_environment(), (key, value), sys.argv[2]).run())
