"""OpenSSH's tools through the hub beside those through a jump host: `python -m bench.ssh_proxy [MEGABYTES]`."""

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.compare_ssh import best, report, seconds
from bench.peers import hub_with_node, open_ssh

MEBIBYTES = 256
HOST = "n1.omny"


def main() -> None:
    """Measure a cold command, and copies each way."""
    mebibytes = int(sys.argv[1]) if len(sys.argv) > 1 else MEBIBYTES
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        for name in ("ssh", "hub"):
            Path(scratch, name).mkdir()
        jump = stack.enter_context(open_ssh(Path(scratch, "ssh")))
        hub = stack.enter_context(hub_with_node(Path(scratch, "hub")))
        block = Path(scratch, "block")
        block.write_bytes(subprocess.run(hub.omnyshell("ssh-config"), env=hub.env, stdout=-1, check=True).stdout)
        data, copy = Path(scratch, "data"), Path(scratch, "copy")
        with data.open("wb") as file:
            for _ in range(mebibytes):
                file.write(bytes(1 << 20))

        def ours(program: str, *words: str) -> float:
            return seconds([program, "-F", str(block), *words], hub.env)

        def theirs(program: str, *words: str) -> float:
            return seconds([program, "-F", str(jump.config), *words])

        cold = {
            "ssh-proxy": lambda: ours("ssh", HOST, "true") * 1000,
            "ssh -J": lambda: theirs("ssh", "jump", "true") * 1000,
        }
        report("a cold command, ms", best(cold, rounds=10), "ssh-proxy", {"ssh -J": "<= 1.1"})
        for way in ("up", "down"):
            rates = {}
            for tool in ("scp", "rsync"):
                contest = {
                    "ssh-proxy": lambda t=tool, w=way: rate(t, w, block, HOST, data, copy, hub.env, mebibytes),
                    "ssh -J": lambda t=tool, w=way: rate(t, w, jump.config, "jump", data, copy, None, mebibytes),
                }
                rates = best(contest, pick=max)
                report(f"{tool} of {mebibytes} MiB {way}, MiB/s", rates, "ssh-proxy", {"ssh -J": ">= 0.8"})


def rate(
    tool: str,
    way: str,
    config: Path,
    host: str,
    data: Path,
    copy: Path,
    env: "dict[str, str] | None",
    mebibytes: int,
) -> float:
    """Copy once, and return how many mebibytes went over in a second."""
    copy.unlink(missing_ok=True)
    ends = [str(data), f"{host}:{copy}"] if way == "up" else [f"{host}:{data}", str(copy)]
    words = ["scp", "-q", "-F", str(config)] if tool == "scp" else ["rsync", "-W", "-e", f"ssh -F {config}"]
    return mebibytes / seconds([*words, *ends], env)


if __name__ == "__main__":
    main()
