"""Runs one command on all nodes that have some labels, on so many at once, and says for each how it ended.

    python examples/run_everywhere.py env=prod role=web -- 'systemctl is-active nginx'

Ends with 0 if it did so on every node, and there was one. The login is the command line's.
"""

import asyncio
import sys
from collections.abc import Mapping
from typing import NamedTuple

from omnyshell import (
    ClientConfig,
    ExecResult,
    OmnyShellClient,
    OmnyShellException,
    access_from_environment,
)

AT_ONCE = 20
TIME_LIMIT = 60.0


class Outcome(NamedTuple):
    """What became of the command on one node: what it printed and how it ended, or why that is not known."""

    node_id: str
    result: ExecResult | None
    error: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the command is known to have ended, and well."""
        return self.result is not None and self.result.status.shell_code == 0

    def __str__(self) -> str:
        if self.result is None:
            return f"{self.node_id}: {self.error}"
        lines = (self.result.stdout + self.result.stderr).decode(errors="replace").splitlines()
        shown = [f"{self.node_id}: {line}" for line in lines]
        if not self.is_success:
            shown.append(f"{self.node_id}: exit code {self.result.status.shell_code}")
        return "\n".join(shown)


async def run_everywhere(client: OmnyShellClient, labels: Mapping[str, str], command: str) -> list[Outcome]:
    """Run the command on the nodes with these labels; one that fails keeps no other from running it."""
    places = asyncio.Semaphore(AT_ONCE)

    async def run_on(node_id: str) -> Outcome:
        async with places:
            try:
                return Outcome(node_id, await client.execute(node_id, command, timeout=TIME_LIMIT))
            except OmnyShellException as exc:
                return Outcome(node_id, None, str(exc))

    nodes = await client.list_nodes(labels)
    return await asyncio.gather(*(run_on(node.node_id) for node in nodes))


async def main(words: list[str]) -> int:
    """Take `LABEL=VALUE... -- COMMAND`; returns the exit code."""
    split = words.index("--")
    labels = dict(word.split("=", 1) for word in words[:split])
    async with OmnyShellClient(ClientConfig(access=access_from_environment())) as client:
        outcomes = await run_everywhere(client, labels, " ".join(words[split + 1 :]))
    for outcome in outcomes:
        print(outcome)
    return 0 if outcomes and all(outcome.is_success for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
