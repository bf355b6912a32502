"""Input of a command beside its output, with a hub that is near and one that is 40 ms away: `python -m bench.input`."""

import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.compare_ssh import best
from bench.delays import delayed
from bench.peers import Hub, hub_with_node

MEGABYTES = 300
FAR = 0.04


def main() -> None:
    """Measure each way, near and far."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        hub = stack.enter_context(hub_with_node(Path(scratch)))
        far = stack.enter_context(delayed(hub.port, FAR))
        data = Path(scratch) / "data"
        data.write_bytes(bytes(MEGABYTES * 10**6))
        compare("near", hub, hub.port, data)
        compare("40 ms away", hub, far, data)


def compare(place: str, hub: Hub, port: int, data: Path) -> None:
    """Print both rates of a command, at a hub that is dialed on this port."""
    figures = best(
        {
            "input": lambda: rate(hub, port, "cat >/dev/null", data),
            "output": lambda: rate(hub, port, f"head -c {MEGABYTES}000000 /dev/zero", Path("/dev/null")),
        },
        pick=max,
    )
    share = figures["input"] / figures["output"]
    print(f"{place}: input {figures['input']:.0f} MB/s, output {figures['output']:.0f}, {share:.2f} (goal >= 0.8)")


def rate(hub: Hub, port: int, command: str, source: Path) -> float:
    """Megabytes a second."""
    env = hub.env | {"OMNYSHELL_HUB": f"wss://127.0.0.1:{port}"}
    with source.open("rb") as stdin:
        began = time.perf_counter()
        command_line = hub.omnyshell("exec", "n1", command)
        subprocess.run(command_line, env=env, stdin=stdin, stdout=subprocess.DEVNULL, check=True)
    return MEGABYTES / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
