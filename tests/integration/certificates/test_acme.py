"""Certificates of an ACME client: in certbot's directories, copied by its hook, and taken over by a running hub."""

import asyncio
import os
import ssl
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.commands import run_text
from support.deadline import DEADLINE
from support.lineages import Lineage
from support.pki import Issued, issue, root
from support.stack import Certificates, hub_config, until, within

from omnyshell import OmnyShellHub
from omnyshell.transport.tls import chain_of

AUTHORITY = root()
BELOW = issue(AUTHORITY, "R1", is_authority=True)


def renewed(*names: str, **how: object) -> Issued:
    """A certificate of a public authority's kind, whose issuer is no root."""
    return issue(BELOW, names=names or ("hub.example", "localhost"), **how)  # type: ignore[arg-type]


@dataclass
class Place:
    """The files of a hub and of certbot."""

    directory: Path
    lineage: Lineage

    @property
    def cert(self) -> Path:
        return self.directory / "hub.pem"

    @property
    def key(self) -> Path:
        return self.directory / "hub.key"

    def hook(self, *words: str, lineage: Path | None = None) -> str:
        """Run the hook as certbot does; returns what it complained of."""
        env = {**os.environ, "RENEWED_LINEAGE": str(lineage or self.lineage.live), "RENEWED_DOMAINS": "hub.example"}
        done = run_text("cert", "deploy", "--hub-config", str(self.directory / "hub.toml"), *words, env=env)
        assert done.returncode == (0 if done.stdout else 255)
        return done.stderr

    def shown(self) -> tuple[bytes, bytes]:
        return self.cert.read_bytes(), self.key.read_bytes()

    def holds(self, issued: Issued) -> bool:
        """Whether the hub's files are of a certificate, and its key's."""
        return chain_of(self.cert)[0] == issued.ders[0] and self.key.read_bytes() == issued.key_pem()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "hub").mkdir()
    made = Place(tmp_path / "hub", Lineage(tmp_path / "letsencrypt", "hub.example"))
    (made.directory / "hub.toml").write_text(
        f'cert = "{made.cert}"\nkey = "{made.key}"\npublic-url = ["wss://hub.example:8443"]\n'
    )
    return made


def test_the_hook_gives_the_hub_what_was_renewed_for_its_user_alone(place: Place) -> None:
    for _ in range(2):
        place.lineage.renew(new := renewed())
        assert place.hook() == ""
        assert place.holds(new)
        assert len(chain_of(place.cert)) == 2
        assert {stat.S_IMODE(path.stat().st_mode) for path in (place.cert, place.key)} == {0o600}
        assert sorted(path.name for path in place.directory.iterdir()) == ["hub.key", "hub.pem", "hub.toml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_the_files_belong_to_whom_the_hub_runs_as(place: Place) -> None:
    place.lineage.renew(renewed())
    assert place.hook("--owner", "daemon") == ""
    place.lineage.renew(renewed())
    # The second time it is known.
    assert place.hook() == ""
    assert {path.owner() for path in (place.cert, place.key)} == {"daemon"}
    assert "there is no user 'nobody-here'" in place.hook("--owner", "nobody-here")


def bad_lineages() -> Iterator[tuple[str, Callable[[Lineage], None], str]]:
    whole = renewed()
    pem = b"".join((whole.pem, BELOW.pem))
    yield (
        "key of another",
        lambda lineage: lineage.renew(whole, privkey=renewed().key_pem()),
        "key of another certificate",
    )
    yield "half a chain", lambda lineage: lineage.renew(whole, fullchain=pem[: len(pem) * 3 // 4]), "fullchain.pem"
    yield "half a leaf", lambda lineage: lineage.renew(whole, fullchain=pem[: len(pem) // 4]), "fullchain.pem"
    yield "half a key", lambda lineage: lineage.renew(whole, privkey=whole.key_pem()[:100]), "privkey.pem"
    yield "nothing", lambda lineage: lineage.renew(whole, fullchain=b"", privkey=b""), "holds no certificate"
    yield "swapped", lambda lineage: lineage.renew(whole, fullchain=whole.key_pem(), privkey=pem), "swapped"
    yield "another site's", lambda lineage: lineage.renew(renewed("www.example")), "reached as hub.example"
    old = renewed(start=AUTHORITY.certificate.not_valid_before_utc - timedelta(days=9), life=timedelta(days=5))
    yield "expired", lambda lineage: lineage.renew(old), "expired"
    yield "no link", lambda lineage: (lineage.live / "privkey.pem").unlink(), "there is no"


@pytest.mark.parametrize(("how", "says"), [pytest.param(how, says, id=name) for name, how, says in bad_lineages()])
def test_what_a_hub_could_not_serve_with_is_not_given_to_it(
    place: Place, how: Callable[[Lineage], None], says: str
) -> None:
    place.lineage.renew(renewed())
    place.hook()
    before = place.shown()
    how(place.lineage)
    assert says in place.hook()
    assert place.shown() == before


def test_certbots_own_files_are_never_written(place: Place) -> None:
    live = place.lineage.live
    place.lineage.renew(renewed())
    (place.directory / "hub.toml").write_text(f'cert = "{live}/fullchain.pem"\nkey = "{live}/privkey.pem"\n')
    assert "names the files of" in place.hook()
    assert (live / "fullchain.pem").is_symlink()


def test_a_change_of_the_authority_is_told_as_invites_pin_it(place: Place) -> None:
    place.lineage.renew(renewed())
    place.hook()
    other = issue(issue(AUTHORITY, "R2", is_authority=True), names=["hub.example"])
    place.lineage.renew(other)
    assert "from another authority than the one before" in place.hook()
    assert place.holds(other)
    assert place.hook() == ""


def test_a_hook_that_is_not_told_of_which_certificate_says_so(place: Place) -> None:
    done = run_text("cert", "deploy", "--hub-config", str(place.directory / "hub.toml"))
    assert "have certbot call this" in done.stderr


@asynccontextmanager
async def serving(place: Place, cert: Path, key: Path) -> AsyncIterator[Callable[[], "asyncio.Future[bytes]"]]:
    """A hub with these files; yields what a new client is shown, which it has to trust and find whole."""
    ca = place.directory / "ca.pem"
    ca.write_bytes(AUTHORITY.pem)
    tls = ssl.create_default_context(cafile=str(ca))

    async def shown() -> bytes:
        _, writer = await within(asyncio.open_connection("127.0.0.1", hub.port, ssl=tls, server_hostname="localhost"))
        writer.transport.abort()
        return bytes(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))

    config = replace(hub_config(Certificates(ca, cert, key)), public_urls=())
    async with OmnyShellHub(config) as hub:
        yield lambda: asyncio.ensure_future(shown())


async def until_shown(shown: Callable[[], "asyncio.Future[bytes]"], issued: Issued) -> None:
    async with asyncio.timeout(DEADLINE):
        while await shown() != issued.ders[0]:
            await asyncio.sleep(0.02)


async def test_a_running_hub_takes_over_what_the_hook_gives_it_and_nothing_that_is_wrong(place: Place) -> None:
    place.lineage.renew(first := renewed())
    await asyncio.to_thread(place.hook)
    async with serving(place, place.cert, place.key) as shown:
        await until_shown(shown, first)
        place.lineage.renew(first, privkey=renewed().key_pem())
        assert "key of another" in await asyncio.to_thread(place.hook)
        assert await shown() == first.ders[0]
        place.lineage.renew(second := renewed())
        await asyncio.to_thread(place.hook)
        await until_shown(shown, second)


async def test_a_hub_that_reads_certbots_links_follows_them_once_they_fit(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """As a hub of root's may, or one whose user may enter `live` and `archive`."""
    lineage = place.lineage
    lineage.renew(first := renewed())
    async with serving(place, lineage.live / "fullchain.pem", lineage.live / "privkey.pem") as shown:
        await until_shown(shown, first)
        # One link after the other, with handshakes between: the key is another's until the last one is switched.
        for kind in lineage.write(second := renewed()):
            (lineage.live / f"{kind}.pem").unlink()
            assert await shown() == first.ders[0]
            lineage.switch(kind)
            assert await shown() in (first.ders[0], second.ders[0])
        await until_shown(shown, second)
        whole = (lineage.archive / "fullchain2.pem").read_bytes()
        lineage.renew(third := renewed(), fullchain=whole[:300])
        await until(lambda: "not taken over" in caplog.text)
        assert await shown() == second.ders[0]
        # What was written halfway is written whole, in its place.
        (lineage.archive / "fullchain3.pem").write_bytes(third.pem + BELOW.pem)
        await until_shown(shown, third)
