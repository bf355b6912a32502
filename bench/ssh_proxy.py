"""OpenSSH's tools through the hub beside those through a jump host.

`python -m bench.ssh_proxy [MEBIBYTES [MILLISECONDS [ROUNDS]]]`: so much is copied, over so long a round trip between
client and hub, or client and jump host. Beside the rates it says how much memory hub, node and proxy have had at most.
"""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.costs import Cost, compare, cost
from bench.delays import delayed
from bench.peers import Hub, OpenSsh, hide_startup_file, hub_with_node, open_ssh

MEBIBYTES = 256
HOST = "n1.omny"


def main() -> None:
    """Measure a cold command, and copies each way."""
    mebibytes = int(sys.argv[1]) if len(sys.argv) > 1 else MEBIBYTES
    round_trip = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    hide_startup_file()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        for name in ("ssh", "hub"):
            Path(scratch, name).mkdir()
        jump = stack.enter_context(open_ssh(Path(scratch, "ssh")))
        hub = stack.enter_context(hub_with_node(Path(scratch, "hub")))
        config, env = jump.config, hub.env
        if round_trip:
            config = far_jump(jump, stack, round_trip)
            port = stack.enter_context(delayed(hub.port, round_trip))
            env = env | {"OMNYSHELL_HUB": f"wss://127.0.0.1:{port}"}
        block = Path(scratch, "block")
        block.write_bytes(subprocess.run(hub.omnyshell("ssh-config"), env=env, stdout=-1, check=True).stdout)
        data, copy = Path(scratch, "data"), Path(scratch, "copy")
        with data.open("wb") as file:
            for _ in range(mebibytes):
                file.write(bytes(1 << 20))
        ours, theirs = Way(block, HOST, env, (hub.pid, hub.node_pid)), Way(config, "jump", None, (jump.pid,))
        cold = {"ssh-proxy": lambda: ours.cost("true"), "ssh -J": lambda: theirs.cost("true")}
        compare("a cold command, in a second", cold, 10, 1, 1 / 1.1)
        with memory(hub):
            for way in ("up", "down"):
                for tool in ("ssh", "scp", "rsync"):
                    turns = {
                        "ssh-proxy": partial(ours.copied, tool, way, data, copy),
                        "ssh -J": partial(theirs.copied, tool, way, data, copy),
                    }
                    goal = 0.9 if round_trip else 0.8
                    compare(f"{tool} of {mebibytes} MiB {way}, MiB/s", turns, rounds, mebibytes, goal)


class Way(NamedTuple):
    """A way to a host: ssh's configuration, its environment, and the servers that work for it."""

    config: Path
    host: str
    env: dict[str, str] | None
    servers: tuple[int, ...]

    def cost(self, command: str) -> Cost:
        return cost(["ssh", "-F", str(self.config), self.host, command], self.env, self.servers)

    def copied(self, tool: str, way: str, data: Path, copy: Path) -> Cost:
        """Copy once, by `ssh` as a stream that nobody keeps."""
        copy.unlink(missing_ok=True)
        ssh = f"ssh -F {self.config}"
        if tool == "ssh":
            stream = f"{ssh} {self.host} 'cat > /dev/null' < {data}" if way == "up" else f"{ssh} {self.host} cat {data}"
            words = ["sh", "-c", stream]
        else:
            words = ["scp", "-q", "-F", str(self.config)] if tool == "scp" else ["rsync", "-W", "-e", ssh]
            words += [str(data), f"{self.host}:{copy}"] if way == "up" else [f"{self.host}:{data}", str(copy)]
        return cost(words, self.env, self.servers)


def far_jump(jump: OpenSsh, stack: ExitStack, round_trip: float) -> Path:
    """Return a configuration by which the jump host is far away; what it jumps to is as near to it as before."""
    text = jump.config.read_text()
    near = text.partition("  Port ")[2].split()[0]
    port = stack.enter_context(delayed(int(near), round_trip))
    config = jump.config.with_name("far_config")
    config.write_text(text.replace(f"  Port {near}\n", f"  Port {port}\n", 1))
    return config


@contextmanager
def memory(hub: Hub) -> Iterator[None]:
    """Print at the end how much memory hub, node and proxy have had at most."""
    most: dict[str, int] = {}
    has_ended = threading.Event()

    def watch() -> None:
        while not has_ended.wait(0.2):
            for path in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    words = (path / "cmdline").read_bytes().split(b"\0")
                    name = {hub.pid: "hub", hub.node_pid: "node"}.get(int(path.name))
                    name = "ssh-proxy" if b"ssh-proxy" in words else name
                    if name is not None:
                        said = (path / "status").read_text().partition("VmHWM:")[2].split()
                        most[name] = max(most.get(name, 0), int(said[0]) // 1024 if said else 0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        has_ended.set()
        watcher.join()
        print("memory at most, MiB:", ", ".join(f"{name} {size}" for name, size in most.items()))


if __name__ == "__main__":
    main()
