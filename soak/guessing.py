"""10,000 wrong tokens from one address: few are answered, others are not affected, the audit does not drown."""

import asyncio
import ssl
import tempfile
import time
from collections import Counter
from pathlib import Path

from support.raw_peer import RawPeer
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from soak.machines import machines
from soak.probe import honest_logins
from soak.report import Figure, report

ATTEMPTS = 10_000
PARALLEL = 50
GUESSER = "127.0.0.2"


async def guess(tls: ssl.SSLContext, port: int, number: int, answers: Counter[str]) -> None:
    """Try one wrong token."""
    url = f"wss://127.0.0.1:{port}/"
    local = (GUESSER, 0)
    try:
        async with connect(url, ssl=tls, compression=None, proxy=None, close_timeout=1, local_addr=local) as ws:
            peer = RawPeer(ws)
            await peer.hear("hello")
            await peer.greet("client")
            await peer.say("auth.request", {"method": "token", "principal": "admin", "token": f"wrong-{number}"})
            answers[(await peer.hear())["t"]] += 1
    except ConnectionClosed as exc:
        answers[f"closed {exc.rcvd.code if exc.rcvd is not None else 1006}"] += 1
    except (OSError, InvalidHandshake, TimeoutError) as exc:
        answers[type(exc).__name__] += 1


async def run() -> tuple[Counter[str], float, float, int]:
    answers: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        records = Path(directory) / "records"
        async with machines("--audit-sink", f"file:{records}") as (certificates, hub, _):
            tls = ssl.create_default_context(cafile=str(certificates.ca))
            numbers = iter(range(ATTEMPTS))

            async def work() -> None:
                for number in numbers:
                    await guess(tls, hub.port, number, answers)

            began = time.monotonic()
            async with honest_logins(certificates, hub.port) as slowest, asyncio.timeout(400):
                await asyncio.gather(*(work() for _ in range(PARALLEL)))
            took = time.monotonic() - began
        failures = records.read_text().count('"auth.fail"')
    return answers, took, slowest(), failures


def main() -> None:
    answers, took, worst, records = asyncio.run(run())
    minutes = max(1.0, took / 60)
    report(
        "guessing",
        Figure(
            "10,000 wrong tokens from one address",
            "about 10 answers a minute, audited in aggregate",
            f"{answers['auth.fail']} answers in {took:.0f} s, {records} audit records; {dict(answers)}",
            answers["auth.fail"] <= 12 * minutes + 10 and 0 < records <= 12 * minutes + 70,
        ),
        Figure("a login from another address meanwhile", "not affected", f"worst {worst * 1000:.0f} ms", worst < 1),
    )


if __name__ == "__main__":
    main()
