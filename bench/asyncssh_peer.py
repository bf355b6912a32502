"""An asyncssh server, or a client with a remote forward through it, until it is terminated."""

import asyncio
import sys

import asyncssh
import uvloop

from bench.tunnels import ASYNCSSH_PORT, ASYNCSSH_SERVER


class Server(asyncssh.SSHServer):
    """Lets everyone in, and forwards ports."""

    def begin_auth(self, _username: str) -> bool:
        return False

    def server_requested(self, _host: str, _port: int) -> bool:
        return True


async def serve(host_key: str) -> None:
    server = await asyncssh.create_server(Server, "127.0.0.1", ASYNCSSH_SERVER, server_host_keys=[host_key])
    await server.wait_closed()


async def forward(target: int) -> None:
    while True:
        try:
            connection = await asyncssh.connect("127.0.0.1", ASYNCSSH_SERVER, known_hosts=None, config=None)
            break
        except OSError:
            await asyncio.sleep(0.1)
    async with connection:
        listener = await connection.forward_remote_port("127.0.0.1", ASYNCSSH_PORT, "127.0.0.1", target)
        await listener.wait_closed()


if __name__ == "__main__":
    role, host_key, _, target = sys.argv[1:]
    uvloop.run(serve(host_key) if role == "server" else forward(int(target)))
