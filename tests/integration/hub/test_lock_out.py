"""Others fail to log in at one's own address, over loopback TLS."""

from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.ports import free_range
from support.raw_admin import ask, b64, log_in, try_join
from support.raw_peer import logged_in, stranger
from support.stack import Certificates, hub_config
from websockets.exceptions import ConnectionClosed

from omnyshell import OmnyShellHub
from omnyshell.services.local.parts import hub_config as local_hub_config
from omnyshell.services.local.setup import NODE_PRINCIPAL, LocalSetup, user_name

ATTEMPTS = 14


async def token_login(certificates: Certificates, port: int, principal: str, token: str) -> str | int:
    """Try a token; "auth.ok", or the close code."""
    async with stranger(certificates, port) as peer:
        await peer.greet("client")
        await peer.say("auth.request", {"method": "token", "principal": principal, "token": token})
        try:
            answer = (await peer.hear())["t"]
        except ConnectionClosed as exc:
            return exc.rcvd.code if exc.rcvd is not None else 1006
        return str(answer) if answer == "auth.ok" else (await peer.hear_close())[0]


async def lock_out(certificates: Certificates, port: int) -> None:
    """Fail until nothing is answered any more."""
    codes = [await token_login(certificates, port, f"guess{number}", "wrong") for number in range(ATTEMPTS)]
    assert codes == [4401] * 10 + [1013] * 4


async def test_no_other_user_of_the_machine_locks_the_owner_out_of_an_embedded_hub(tmp_path: Path) -> None:
    setup = LocalSetup(tmp_path)
    config = replace(local_hub_config(setup, 0), tunnel_ports=free_range(), host="127.0.0.1")
    certificates = Certificates(setup.ca_file, config.cert, config.key)
    async with OmnyShellHub(config) as hub:
        await lock_out(certificates, hub.port)
        assert await token_login(certificates, hub.port, user_name(), setup.secret("admin")) == "auth.ok"
        assert await token_login(certificates, hub.port, NODE_PRINCIPAL, setup.secret("node")) == "auth.ok"


async def test_a_key_a_made_token_and_an_invite_are_taken_while_their_address_is_blocked(
    certificates: Certificates, tmp_path: Path
) -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "hub")) as hub:
        async with logged_in(certificates, hub.port, "client", "admin", ("admin",)) as admin:
            await ask(admin, "admin.principal.add", principal="ann", roles=["developer"])
            await ask(admin, "admin.key.add", principal="ann", publicKey=b64(key.public_key().public_bytes_raw()))
            made = await ask(admin, "admin.token.add", "admin.token.added", principal="ann")
            invited = await ask(admin, "admin.invite.create", "admin.invite.created", kind="user", principal="eve")
        await lock_out(certificates, hub.port)
        async with stranger(certificates, hub.port) as peer:
            assert (await log_in(peer, "client", "ann", key, proof=2))["t"] == "auth.ok"
        assert await token_login(certificates, hub.port, "ann", made["token"]) == "auth.ok"
        answer, code = await try_join(certificates, hub.port, "client", invited["token"], other)
        assert (answer["t"], code) == ("join.accepted", 1000)
        # What is wrong still gets no answer, and what somebody chose neither.
        assert await token_login(certificates, hub.port, "ann", "wrong") == 1013
        assert await token_login(certificates, hub.port, "dev", "dev-token") == 1013
