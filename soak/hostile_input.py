"""Messages that are too large or malformed, and how long a refused login takes."""

import argparse
import asyncio
import logging
import math
import random
import statistics
import struct
import time
from dataclasses import replace
from pathlib import Path

from support.hub_process import HubProcess
from support.raw_peer import logged_in, stranger
from support.stack import Certificates

from omnyshell import AuditLog, PrincipalId, TokenAuthenticator, TokenGrant
from omnyshell.clock import SystemClock
from omnyshell.protocol.codec import FrameCodec, encode_control
from omnyshell.protocol.messages import AuthRequest
from omnyshell.security.authenticators import CompositeAuthenticator, PublicKeyAuthenticator
from omnyshell.security.authorized_keys import AuthorizedKeysStore, parse_authorized_keys
from omnyshell.security.credentials import LoginContext, PublicKeyCredentialProvider
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.security.login_limit import LoginLimit
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.login_gate import LoginGate, LoginRefusal
from omnyshell.services.hub.peers.proofs import BoundKeys, ProofRules
from soak.machines import machines, memory_of
from soak.report import Figure, report

KIB, MIB = 1 << 10, 1 << 20
SAMPLES = 10_000
T_BOUND = 4.5


def hostile_texts() -> dict[str, str]:
    deep = "[" * 10_000 + "]" * 10_000
    keys = ",".join(f'"k{number}":1' for number in range(330_000))
    return {
        "JSON 10,000 deep": '{"t":"ping","d":' + deep + "}",
        "a map of 4 MiB": '{"t":"ping","d":{' + keys + "}}",
        "NaN": '{"t":"ping","d":{"id":NaN,"ts":NaN}}',
        "duplicate keys": '{"t":"ping","t":"hello","d":{},"d":[]}',
        "lone surrogates": '{"t":"ping","d":{"id":"\\ud800","ts":"\\udfff"}}',
        "a number of 100,000 digits": '{"t":"ping","d":{"id":' + "9" * 100_000 + "}}",
    }


async def malformed(certificates: Certificates, hub: HubProcess) -> Figure:
    """How long the hub takes for each."""
    costs: dict[str, float] = {}
    async with (
        logged_in(certificates, hub.port, "client", "admin") as bad,
        logged_in(certificates, hub.port, "client", "admin") as good,
    ):

        async def time_of(text: str) -> float:
            best = math.inf
            for _ in range(5):
                began = time.monotonic()
                await bad.ws.send(text)
                await bad.still_there()
                best = min(best, time.monotonic() - began)
            await good.still_there()
            return best

        for name, text in hostile_texts().items():
            # Beside a harmless message of the same size, which has to travel too.
            costs[name] = await time_of(text) - await time_of(f'["{"x" * (len(text) - 4)}"]')
    worst = max(costs, key=lambda name: costs[name])
    return Figure(
        "JSON 10,000 deep, a map of 330,000 keys, NaN, duplicate keys, lone surrogates",
        "refused within 10 ms, that message alone",
        f"worst: {worst}, {costs[worst] * 1000:.1f} ms more than a harmless message of its size",
        costs[worst] < 0.01,
    )


async def oversize(certificates: Certificates, hub: HubProcess) -> Figure:
    closed = []
    before = memory_of(hub.pid)
    async with stranger(certificates, hub.port) as peer:
        await peer.ws.send("x" * (64 * KIB + 1))
        closed.append((await peer.hear_close())[0])
    async with logged_in(certificates, hub.port, "client", "admin") as peer:
        await peer.ws.send("x" * (4 * MIB + 1))
        closed.append((await peer.hear_close())[0])
    async with stranger(certificates, hub.port) as peer:
        await peer.ws.send(struct.pack(">BBII", 1, 1, 1, 64 * KIB + 1) + bytes(64 * KIB + 1))
        await peer.say("ping", {"id": "i", "ts": "2026-01-01T00:00:00Z"})
        ignored = (await peer.hear("error"))["d"]["code"] == "not_authenticated"
    grown = (memory_of(hub.pid) - before) / MIB
    return Figure(
        "64 KiB + 1 before login, 4 MiB + 1 after; data of 64 KiB + 1 before login",
        "closed with 1009; ignored",
        f"closed with {closed[0]} and {closed[1]}; data {'ignored' if ignored else 'not ignored'}; "
        f"the hub grew by {grown:.1f} MiB",
        closed == [1009, 1009] and ignored,
    )


def login_timing(samples: int) -> Figure:
    """How long the hub's judgement of wrong logins takes, in random order; the slowest twentieth is noise.

    Who is compared offers the same key, signature or token: how long a signature takes depends on its bytes.
    """
    known, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    text = f"ann {known.public_key.to_base64()} developer\n"
    keys = PublicKeyAuthenticator(AuthorizedKeysStore(parse_authorized_keys(text)))
    tokens = TokenAuthenticator([TokenGrant.parse("ann:right-token:developer")])
    clock = SystemClock()
    both = CompositeAuthenticator([tokens, keys])
    config = HubConfig(cert=Path(), key=Path(), authenticator=both, login_limit=LoginLimit.parse("0"))
    gate = LoginGate(
        config,
        authenticator=both,
        proofs=ProofRules(config, BoundKeys()),
        locks=Locks(clock),
        audit=AuditLog(clock),
        metrics=HubMetrics(),
        clock=clock,
        why_no_more=lambda _who: "",
    )
    context = LoginContext(nonce="nonce", role="client", spki_sha256=bytes(32))

    def signed(principal: str, pair: Ed25519PrivateKey, nonce: str = "nonce") -> AuthRequest:
        dialled = replace(context, nonce=nonce, host="hub.example", port=8443)
        return PublicKeyCredentialProvider(PrincipalId(principal), pair).auth_request(dialled, bind=True)

    requests = {
        "unknown principal, strange key": signed("eve", other),
        "wrong key": signed("ann", other),
        "unknown principal, known key": signed("eve", known, "other"),
        "wrong signature": signed("ann", known, "other"),
        "unknown principal, token": AuthRequest(method="token", principal="eve", token="wrong-token"),
        "wrong token": AuthRequest(method="token", principal="ann", token="wrong-token"),
    }
    codec, sent = FrameCodec(), {name: encode_control(request) for name, request in requests.items()}
    times: dict[str, list[float]] = {name: [] for name in requests}
    order = [name for name in requests for _ in range(samples)]
    random.Random(5).shuffle(order)
    for name in order:
        # As from a peer: each time with texts of its own.
        request = codec.decode_control(sent[name]).message
        assert isinstance(request, AuthRequest)
        began = time.perf_counter()
        verdict = gate.judge(request, context, "192.0.2.1")
        times[name].append(time.perf_counter() - began)
        assert verdict is LoginRefusal.WRONG
    kept = {name: sorted(taken)[: samples * 19 // 20] for name, taken in times.items()}
    pairs = [
        ("unknown principal, strange key", "wrong key"),
        ("unknown principal, known key", "wrong signature"),
        ("unknown principal, token", "wrong token"),
    ]
    found = {(first, second): welch_t(kept[first], kept[second]) for first, second in pairs}

    def apart(first: str, second: str) -> float:
        return (statistics.mean(kept[first]) - statistics.mean(kept[second])) * 1e9

    return Figure(
        "time of a refused login, 10,000 samples each, limiter off",
        f"Welch t under {T_BOUND}",
        "; ".join(
            f"{first} / {second} {found[first, second]:+.1f}, {apart(first, second):+.0f} ns" for first, second in pairs
        ),
        all(abs(value) < T_BOUND for value in found.values()),
    )


def welch_t(first: list[float], second: list[float]) -> float:
    spread = statistics.variance(first) / len(first) + statistics.variance(second) / len(second)
    return (statistics.mean(first) - statistics.mean(second)) / math.sqrt(spread)


async def run(samples: int) -> list[Figure]:
    async with machines() as (certificates, hub, _):
        figures = [await malformed(certificates, hub), await oversize(certificates, hub)]
    return [*figures, login_timing(samples)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=SAMPLES)
    logging.getLogger("omnyshell").setLevel(logging.CRITICAL)
    report("hostile_input", *asyncio.run(asyncio.wait_for(run(parser.parse_args().samples), 300)))


if __name__ == "__main__":
    main()
