"""A local forward of asyncssh over a jump host, until it is terminated."""

import re
import sys
from pathlib import Path

import asyncssh
import uvloop


async def forward(config: str, key: str, port: int, target: int) -> None:
    """Listen on `port`, and lead to `target` of the second host."""
    found = re.search(r"Port (\d+)", config)
    assert found
    how = {"port": int(found[1]), "client_keys": [key], "known_hosts": None, "config": None}
    async with (
        asyncssh.connect("127.0.0.1", **how) as jump,
        asyncssh.connect("127.0.0.1", tunnel=jump, **how) as connection,
    ):
        listener = await connection.forward_local_port("127.0.0.1", port, "127.0.0.1", target)
        await listener.wait_closed()


if __name__ == "__main__":
    config_path, key_path, *ports = sys.argv[1:]
    uvloop.run(forward(Path(config_path).read_text(), key_path, *map(int, ports)))
