"""`kill -9` of hubs under what people have at once: ssh, scp, rsync, `cp` and a forwarded connection.

Each goes from one hub to a node of another. First the client's hub is killed, then the node's; what comes out of each
has to be what went in, byte for byte, and each tool has to end as if nothing had been.
"""

import asyncio
import hashlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.commands import OMNYSHELL

from soak.demo_hubs import DemoHubs, demo_hubs
from soak.machines import until, workplace
from soak.report import Figure, report

LINES = 6000
PAUSE = 0.005
SIZE = 256 << 20
"""Bytes of a file that is copied."""

FORWARDED = 64 << 20
PIECE = 64 << 10
AWAY = 5.0
UNDER_WAY: list[str] = []
"""How many tools were at work as each hub was killed."""

GRACE = 180.0


class Tools:
    """What runs from a hub to a node; files lie in a folder that client and node share, as they are one machine."""

    def __init__(self, hubs: DemoHubs, hub: str, node: str, folder: Path) -> None:
        self.hubs, self.node, self.folder = hubs, node, folder
        folder.mkdir(parents=True)
        self.env = hubs.env(hub)
        self.data = folder / "data"
        self.data.write_bytes(os.urandom(1 << 20) * (SIZE >> 20))
        self.ssh = folder / "ssh.conf"
        self.ssh.write_text(self._output("ssh-config"))

    def _output(self, *words: str) -> str:
        done = subprocess.run(
            [OMNYSHELL, *words], env=self.env, capture_output=True, text=True, timeout=GRACE, check=True
        )
        return done.stdout

    def all(self) -> "dict[str, Callable[[Path], str]]":
        """Each by its name: it is given a folder to write to, and returns what was wrong, or nothing."""
        host, ssh = f"{self.node}.omny", f"ssh -F {self.ssh}"
        scp, rsync, cp = ["scp", "-q", "-F", str(self.ssh)], ["rsync", "-W", "-e", ssh], [OMNYSHELL, "cp"]
        data = str(self.data)
        return {
            "ssh": self.lines,
            "scp there": lambda to: self.copied(to, *scp, data, f"{host}:{to}/data"),
            "scp back": lambda to: self.copied(to, *scp, f"{host}:{data}", f"{to}/data"),
            "rsync there": lambda to: self.copied(to, *rsync, data, f"{host}:{to}/data"),
            "rsync back": lambda to: self.copied(to, *rsync, f"{host}:{data}", f"{to}/data"),
            "cp there": lambda to: self.copied(to, *cp, data, f"{self.node}:{to}/data"),
            "cp back": lambda to: self.copied(to, *cp, f"{self.node}:{data}", f"{to}/data"),
            "forward": self.forwarded,
        }

    def lines(self, to: Path) -> str:
        """A command writes numbered lines, and hears one in the end."""
        script = f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo $i; sleep {PAUSE}; done; read x; echo $x; exit 7"
        command = ["ssh", "-F", str(self.ssh), f"{self.node}.omny", script]
        with (to / "data").open("wb") as file:
            done = subprocess.run(
                command, env=self.env, input=b"typed\n", stdout=file, stderr=subprocess.PIPE, timeout=GRACE, check=False
            )
        expected = "".join(f"{number}\n" for number in range(1, LINES + 1)) + "typed\n"
        if done.returncode != 7:
            return f"code {done.returncode}: {done.stderr.decode()}"
        return "" if (to / "data").read_text() == expected else "other lines"

    def copied(self, to: Path, *command: str) -> str:
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=GRACE, check=False)
        if done.returncode:
            return f"code {done.returncode}: {done.stderr}"
        return "" if digest(to / "data") == digest(self.data) else "the copy is another"

    def forwarded(self, to: Path) -> str:
        """A connection carries bytes in both directions, slowly."""
        with echoing() as port, self._forward(port) as here, socket.create_connection(("127.0.0.1", here)) as mine:
            mine.settimeout(GRACE)
            sent, heard, count = hashlib.sha256(), hashlib.sha256(), 0

            def send() -> None:
                for _ in range(FORWARDED // PIECE):
                    piece = os.urandom(PIECE)
                    sent.update(piece)
                    mine.sendall(piece)
                    time.sleep(0.02)
                mine.shutdown(socket.SHUT_WR)

            sending = threading.Thread(target=send, daemon=True)
            sending.start()
            try:
                while piece := mine.recv(PIECE):
                    heard.update(piece)
                    count += len(piece)
                    (to / "data").write_text(str(count))
            except OSError as exc:
                return f"{exc} after {count} bytes"
            sending.join()
            return "" if sent.digest() == heard.digest() else f"{count} bytes of {FORWARDED} came, or others"

    @contextmanager
    def _forward(self, port: int) -> Iterator[int]:
        """Have a free port of this machine lead there."""
        command = [OMNYSHELL, "forward", self.node, f"0:127.0.0.1:{port}"]
        running = subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            while " -> " not in line:
                assert line
                line = running.stdout.readline()
            yield int(line.split(" ->")[0].rpartition(":")[2])
        finally:
            running.terminate()
            print("forward said:", running.communicate()[0].strip(), flush=True)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def echoing() -> Iterator[int]:
    """A server that gives back what it gets."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        with connection:
            while piece := connection.recv(PIECE):
                connection.sendall(piece)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()


async def one_round(hubs: DemoHubs, killed: str, tools: Tools) -> dict[str, str]:
    """Have all tools at work while a hub is killed and comes back; return what was wrong with each."""
    running, places = {}, {}
    for name, run in tools.all().items():
        place = places[name] = tools.folder / name.replace(" ", "-")
        place.mkdir()
        running[name] = asyncio.create_task(asyncio.to_thread(run, place))
    await until(lambda: all(has_begun(place) or running[name].done() for name, place in places.items()), GRACE)
    under_way = [name for name, task in running.items() if not task.done()]
    print(f"hub {killed} is killed under:", ", ".join(under_way), flush=True)
    command = hubs.kill_hub(killed)
    await asyncio.sleep(AWAY)
    hubs.start_hub(killed, command)
    outcomes = dict(zip(running, await asyncio.gather(*running.values(), return_exceptions=True), strict=True))
    await hubs.until_whole()
    UNDER_WAY.append(f"{len(under_way)} of {len(running)}")
    return {name: str(outcome) for name, outcome in outcomes.items() if outcome}


def has_begun(place: Path) -> bool:
    """Whether anything has come there."""
    try:
        return any(path.stat().st_size for path in place.iterdir())
    except FileNotFoundError:
        return False


async def soak(hubs: DemoHubs, folder: Path) -> dict[str, str]:
    wrong = {}
    for number, (killed, whose) in enumerate((("a", "the client's hub"), ("b", "the node's hub"))):
        tools = Tools(hubs, "a", hubs.node_of["b"], folder / str(number))
        for name, what in (await one_round(hubs, killed, tools)).items():
            print(f"{whose} killed, {name}: {what}", flush=True)
            wrong[f"{name}, {whose} killed"] = what
    return wrong


def main() -> None:
    with workplace() as (directory, _), demo_hubs(directory) as hubs:
        wrong = asyncio.run(soak(hubs, directory / "files"))
    report(
        "tools_over_hubs",
        Figure(
            "ssh, scp, rsync, cp and a forward over two hubs, of which each is killed once",
            "all end as if nothing had been, with each byte",
            f"{' and '.join(UNDER_WAY)} under way, wrong: {', '.join(wrong) or 'none'}; load {os.getloadavg()[0]:.0f}",
            not wrong,
        ),
    )


if __name__ == "__main__":
    main()
