"""Keys under a passphrase: the console asks for it, says that it was wrong, and goes on drawing meanwhile."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.arriving import arrive
from support.console import StillClock
from support.pictures import check_picture
from support.stack import Certificates, hub_config, until
from textual.pilot import Pilot
from textual.widgets import Button, Input, Static

from omnyshell import (
    AuthorizedKey,
    AuthorizedKeysStore,
    ConfigException,
    OmnyShellHub,
    PrincipalId,
    PublicKeyAuthenticator,
)
from omnyshell.paths import logins_file
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.client.live.state import Link
from omnyshell.services.client.login_store import CredentialStore, StoredSession
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.dialogs.passphrase import PassphraseDialog
from omnyshell.tui.screens.login import LoginScreen
from omnyshell.tui.settings import ConsoleSettings


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "ann.key"
    Ed25519PrivateKey.generate().save(path, passphrase=b" open sesame ")
    return path


@pytest.fixture
async def hub(certificates: Certificates, key: Path) -> AsyncIterator[OmnyShellHub]:
    public = Ed25519PrivateKey.load(key, b" open sesame ").public_key
    entry = AuthorizedKey(PrincipalId("ann"), public, frozenset({"admin"}))
    authenticator = PublicKeyAuthenticator(AuthorizedKeysStore([entry]))
    async with OmnyShellHub(hub_config(certificates, authenticator=authenticator)) as made:
        yield made


def given(certificates: Certificates, hub: OmnyShellHub, key: Path) -> dict[str, str]:
    return {
        "hub": f"wss://127.0.0.1:{hub.port}", "principal": "ann", "key": str(key), "ca": str(certificates.ca),
    }  # fmt: skip


async def asked(app: ConsoleApp) -> PassphraseDialog:
    await arrive(app, PassphraseDialog)
    assert isinstance(app.screen, PassphraseDialog)
    return app.screen


async def answer(app: ConsoleApp, pilot: Pilot[int], passphrase: str) -> None:
    app.screen.query_one("#passphrase", Input).value = passphrase
    await pilot.press("enter")


async def is_wrong_then_right(app: ConsoleApp, pilot: Pilot[int]) -> None:
    dialog = await asked(app)
    for wrong in ("wrong", "", "open sesame"):
        await answer(app, pilot, wrong)
        await until(lambda: "not its passphrase" in str(dialog.query_one("#wrong-passphrase", Static).render()))
        dialog.query_one("#wrong-passphrase", Static).update("")
    assert "sesame" not in str(dialog.query_one("#passphrase").render_line(0).text)
    await answer(app, pilot, " open sesame ")
    await until(lambda: app.hub.state.link is Link.UP)
    await until(lambda: app.screen is app.overview)


async def test_a_key_given_at_the_start_is_asked_for_at_once(
    certificates: Certificates, hub: OmnyShellHub, key: Path
) -> None:
    wanted = given(certificates, hub, key)
    app = ConsoleApp(ConsoleSettings(), None, wanted=wanted, needs_passphrase=True, clock=StillClock())
    async with app.run_test(size=(100, 30)) as pilot:
        await is_wrong_then_right(app, pilot)


async def test_a_saved_login_asks_when_it_is_chosen(certificates: Certificates, hub: OmnyShellHub, key: Path) -> None:
    login = StoredSession(
        hub=f"wss://127.0.0.1:{hub.port}", principal="ann", key_path=str(key), ca_path=str(certificates.ca)
    )
    CredentialStore(logins_file()).save(login)
    app = ConsoleApp(ConsoleSettings(), None, clock=StillClock())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.press("down", "enter")
        await asked(app)
        # Whoever does not know it may choose another one.
        await pilot.press("escape")
        await arrive(app, LoginScreen)
        await pilot.press("enter")
        await is_wrong_then_right(app, pilot)


async def test_the_form_asks_tries_and_saves_no_passphrase(
    certificates: Certificates, hub: OmnyShellHub, key: Path
) -> None:
    app = ConsoleApp(ConsoleSettings(), None, wanted=given(certificates, hub, key), clock=StillClock())
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        app.screen.query_one("#key").focus()
        await pilot.press("enter")
        await is_wrong_then_right(app, pilot)
    saved = CredentialStore(logins_file()).get()
    assert saved is not None
    assert (saved.key_path, saved.token, saved.passphrase_path) == (str(key), None, None)
    assert "sesame" not in logins_file().read_text()


@pytest.mark.parametrize("way", ["enter", "button"])
async def test_what_was_wrong_is_typed_over(way: str) -> None:
    tried: list[str] = []

    async def use(passphrase: str) -> None:
        tried.append(passphrase)
        if passphrase != "right":
            raise ConfigException("the passphrase is wrong")

    app = ConsoleApp(ConsoleSettings(), None, clock=StillClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.push_screen(PassphraseDialog(Path("/ann.key"), use))
        await pilot.pause()
        await pilot.press(*"oops")
        await (pilot.press("enter") if way == "enter" else pilot.click("#do"))
        await until(lambda: tried == ["oops"] and not app.screen.query_one("#do", Button).disabled)
        await pilot.pause()
        await pilot.press(*"right", "enter")
        await until(lambda: not isinstance(app.screen, PassphraseDialog))
    assert tried == ["oops", "right"]


async def test_the_question_looks_so() -> None:
    async def use(_passphrase: str) -> None:
        raise AssertionError("nothing was typed")

    app = ConsoleApp(ConsoleSettings(), None, clock=StillClock())
    app.animation_level = "none"
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.push_screen(PassphraseDialog(Path("/home/ann/.config/omnyshell/ann.key"), use))
        await pilot.pause()
        await pilot.press(*"hidden")
        await check_picture(app, "dialog-passphrase")
