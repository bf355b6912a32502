"""Help, settings, the choice of a hub, and what holds for the whole console."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from support.console import Nowhere, StillClock, a_day_at_work, console
from support.false_hubs import tls_relay
from support.pictures import check_picture
from support.stack import Certificates, hub_config, until
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static

from omnyshell import (
    AuthorizedKeysStore,
    CertGenerator,
    Ed25519PrivateKey,
    OmnyShellHub,
    PublicKeyAuthenticator,
)
from omnyshell.paths import config_dir, logins_file
from omnyshell.security.authorized_keys import parse_authorized_keys
from omnyshell.services.client.live.state import Link
from omnyshell.services.client.login_store import CredentialStore, StoredSession
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.colours.folder import theme_file
from omnyshell.tui.keys import KEYS
from omnyshell.tui.log import where
from omnyshell.tui.screens.help import HelpScreen
from omnyshell.tui.screens.login import FIELDS, LoginScreen
from omnyshell.tui.settings import ConsoleSettings
from omnyshell.tui.tasks import start_task


def help_of(app: ConsoleApp) -> str:
    """The help as it is shown, all of it."""
    assert isinstance(app.screen, HelpScreen)
    return "\n".join(str(option.prompt) for option in app.screen.list.options)


class Asking(Screen[None]):
    """Shows an answer that comes once its widgets are gone."""

    answered = False

    def compose(self) -> ComposeResult:
        yield Static(id="note")

    def on_mount(self) -> None:
        start_task(self, self._ask(), "Asking")

    async def _ask(self) -> None:
        while self.query("#note"):
            await asyncio.sleep(0)
        Asking.answered = True
        self.query_one("#note")


async def test_an_answer_to_a_screen_that_is_being_left_is_no_mistake() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        await app.push_screen(Asking())
        await app.pop_screen()
        await pilot.pause()
        assert Asking.answered
        assert not list(app._notifications)


async def test_help_has_every_key() -> None:
    async with console(a_day_at_work(), width=100, height=50) as (app, pilot):
        await pilot.press("question_mark")
        await until(lambda: help_of(app) != "")
        text = help_of(app)
        words = " ".join(text.split())
        assert all(f"{key.label} {key.more or key.text}" in words for key in KEYS if key.listed)
        assert text.startswith("Nodes\n"), "where one comes from is first"
        # What is wrapped goes on below itself.
        indent = text.index("The node's page") - text.index("  enter")
        command = text[text.index("Open a session: command") :].splitlines()
        assert len(command[1]) - len(command[1].lstrip()) == indent
        await check_picture(app, "help")
        await pilot.press("escape")
        assert app.screen is app.overview
        app.settings.leader = "ctrl+a"
        for key, title in (("f3", "Terminals: after ctrl+a\n"), ("f4", "Wall")):
            await pilot.press(key, "f1")
            await until(partial(lambda title: help_of(app).startswith(title), title))
            await pilot.press("escape")


async def test_help_is_searched_by_words_and_left_by_q() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        await pilot.press("question_mark", "slash", *"border MOVE")
        assert help_of(app).split("\n")[0].startswith("Panes of a tab")
        assert app.screen_stack[-1].query_one(OptionList).option_count == 2
        await pilot.press(*"q")
        assert help_of(app) == "No key has these words."
        # Once for the words, once for the help.
        await pilot.press("escape")
        assert len(help_of(app).splitlines()) > 100
        await pilot.press("q")
        assert app.screen is app.overview


async def test_what_is_chosen_in_the_help_is_done_or_said_to_belong_elsewhere() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        for words, said in (
            ("overview panel the whole zoom", ""),
            ("copy mode leave selection", "y enter does nothing here. It belongs to: Copy mode"),
            ("state:detached", "state:detached does nothing here. It belongs to: Filters"),
        ):
            await pilot.press("question_mark", "slash", *words, "enter", "enter")
            await until(lambda: app.screen is app.overview)
            await pilot.pause()
            assert [note.message for note in app._notifications] == [said] * bool(said)
            app.clear_notifications()
        assert app.overview._is_zoomed


async def test_arrows_go_from_field_to_field() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        await pilot.press("f9")
        seen = []
        for _ in range(9):
            seen.append(app.focused.id)
            await pilot.press("down")
        assert seen[:2] == ["theme", "colors"]
        assert seen[-2:] == ["cancel", "do"]
        for key, field in (("up", "do"), ("left", "cancel"), ("up", "layout"), ("up", "copy_limit")):
            await pilot.press(key)
            assert app.focused.id == field


async def test_settings_are_tried_saved_and_loaded() -> None:
    async with console(a_day_at_work(), width=100, height=30) as (app, pilot):
        await pilot.press("f9")
        assert app.focused is app.screen.query_one("#theme")
        await check_picture(app, "settings")
        app.screen.query_one("#theme").value = "light"
        app.screen.query_one("#scrollback", Input).value = "lots"
        app.screen.query_one("#scrollback").focus()
        await pilot.press("enter")
        assert app.current_theme.name == "omnyshell-light"
        assert str(app.screen.query_one("#wrong-scrollback", Static).render()) == "A whole number."
        assert app.focused is app.screen.query_one("#scrollback")
        await check_picture(app, "settings-error")
        app.screen.query_one("#scrollback", Input).value = "500"
        await pilot.press("enter")
        await until(lambda: app.screen is app.overview)
        assert app.settings == ConsoleSettings(theme="light", scrollback=500)
    assert ConsoleSettings.load(config_dir() / "console.toml") == app.settings


async def test_a_theme_whose_file_is_gone_is_told_and_the_usual_one_taken() -> None:
    async with console(theme="moss") as (app, _):
        assert app.current_theme.name == "omnyshell-dark"
        assert "there is no theme 'moss', nor a file" in next(iter(app._notifications)).message


async def test_themes_of_ones_own_are_offered_and_wrong_ones_told() -> None:
    file = theme_file("moss")
    file.parent.mkdir(parents=True)
    file.write_text('title = "Moss"\n[true]\nprimary = "#112233"')
    theme_file("rust").write_text("[true]\nprimary = 1")
    async with console(a_day_at_work(), theme="rust") as (app, pilot):
        assert app.current_theme.name == "omnyshell-dark"
        assert "rust.toml, line 2" in next(iter(app._notifications)).message
        await pilot.press("f9")
        assert "rust.toml, line 2" in str(app.screen.query_one("#unread", Static).render())
        app.screen.query_one("#theme").value = "moss"
        await pilot.pause()
        assert app.current_theme.primary == "#112233"
        file.write_text('[true]\nprimary = "#223311"')
        app.use_theme("moss")
        await pilot.pause()
        assert app.current_theme.primary == "#223311"


async def test_settings_that_are_left_change_nothing() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        await pilot.press("f9")
        app.screen.query_one("#theme").value = "light"
        await pilot.press("escape")
        assert app.current_theme.name == "omnyshell-dark"
    assert not (config_dir() / "console.toml").exists()


async def test_without_a_login_a_hub_is_chosen(certificates: Certificates) -> None:
    store = CredentialStore(logins_file())
    store.save(StoredSession(hub="wss://prod.example:8443", principal="ann", token="t", name="prod"))
    store.save(StoredSession(hub="wss://lab.example:8443", principal="ann", token="t"), make_default=False)
    app = ConsoleApp(ConsoleSettings(), None, clock=StillClock())
    app.animation_level = "none"
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, LoginScreen)
        assert app.screen.query_one(OptionList).option_count == 3
        await check_picture(app, "login")
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.place is not None
        assert app.place.label == "wss://prod.example:8443"
        assert app.screen is app.overview


async def test_another_hub_is_tried_saved_and_used(certificates: Certificates) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub:
        app = ConsoleApp(ConsoleSettings(), None, wanted={"hub": f"wss://127.0.0.1:{hub.port}"}, clock=StillClock())
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            screen = app.screen
            assert screen.query_one("#hub", Input).value.endswith(str(hub.port))

            async def fails_with(words: str) -> None:
                await pilot.press("enter")
                lines = list(screen.query(".problem, #error").results(Static))
                await until(lambda: any(words in str(line.render()) for line in lines if line.display))

            screen.query_one("#principal").focus()
            await fails_with("Who are you?")
            screen.query_one("#principal", Input).value = "admin"
            await fails_with("Log in with what?")
            screen.query_one("#token", Input).value = "wrong"
            screen.query_one("#ca", Input).value = "/nowhere.pem"
            await fails_with("There is no file /nowhere.pem")
            screen.query_one("#ca", Input).value = str(certificates.ca)
            screen.query_one("#token", Input).focus()
            await fails_with("uthentication failed")
            # What nobody sees is typed over.
            await pilot.press(*"admin-token", "enter")
            await until(lambda: app.hub.state.link is Link.UP)
            assert app.screen is app.overview
    saved = CredentialStore(logins_file()).get()
    assert saved is not None
    assert (saved.principal, saved.token, Path(saved.ca_path or "")) == ("admin", "admin-token", certificates.ca)


async def test_what_was_said_of_a_hub_behind_a_proxy_is_kept_for_that_hub_alone(
    certificates: Certificates, tmp_path: Path
) -> None:
    made = CertGenerator().generate(tmp_path, ["127.0.0.1"])
    proxy = Certificates(made.ca_pem_path, made.hub_pem_path, made.hub_key_path)
    key = Ed25519PrivateKey.generate()
    key.save(tmp_path / "ann.key")
    keys = AuthorizedKeysStore(parse_authorized_keys(f"ann {key.public_key.to_base64()} admin\n"))
    config = hub_config(certificates, authenticator=PublicKeyAuthenticator(keys))
    async with OmnyShellHub(config) as hub, tls_relay(proxy, hub.port, trusted=certificates.ca) as port:
        given = {
            "hub": f"wss://127.0.0.1:{port}",
            "principal": "ann",
            "key": str(tmp_path / "ann.key"),
            "ca": str(proxy.ca),
            "bind_certificate": str(certificates.cert),
        }
        app = ConsoleApp(ConsoleSettings(), None, wanted=given, clock=StillClock())
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            app.screen.query_one("#hub", Input).value = f"WSS://127.0.0.1:{port}"
            app.screen.query_one("#key").focus()
            await pilot.press("enter")
            await until(lambda: "uthentication failed" in str(app.screen.query_one("#wrong-key", Static).render()))
            app.screen.query_one("#hub", Input).value = given["hub"]
            await pilot.press("enter")
            await until(lambda: app.hub.state.link is Link.UP)
    saved = CredentialStore(logins_file()).get()
    assert saved is not None
    assert (saved.bind_certificate, saved.bound, saved.allow_unbound) == (str(certificates.cert), True, False)


async def test_a_refused_login_is_filled_in_again_but_for_its_token() -> None:
    given = {"hub": "wss://hub.example:8443", "principal": "ann", "token": "secret", "ca": "/ca.pem"}
    app = ConsoleApp(ConsoleSettings(), Nowhere(), wanted=given, clock=StillClock())
    async with app.run_test(size=(80, 24)) as pilot:
        app._ask_for_hub("wss://hub.example:8443: authentication failed")
        await pilot.pause()
        assert {name: app.screen.query_one(f"#{name}", Input).value for name in FIELDS} == {
            **given,
            "token": "",
            "key": "",
        }
        assert app.focused is app.screen.query_one("#token")


async def test_a_refused_login_leads_to_the_choice_of_a_hub() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        app._ask_for_hub("wss://hub.example:8443: authentication failed")
        await pilot.pause()
        assert "authentication failed" in str(app.screen.query_one("#why", Static).render())
        await check_picture(app, "login-refused")
        await pilot.press("escape")
        assert app.screen is app.overview


@pytest.mark.parametrize("mode", ["overview", "terminals", "wall"])
async def test_every_mode_is_a_key_away(mode: str) -> None:
    key = next(entry.keys for entry in KEYS if entry.action == f"show_{mode}")
    async with console(a_day_at_work()) as (app, pilot):
        await pilot.press(key)
        assert app.current_mode == mode


async def test_a_terminal_gets_the_keys_that_would_quit() -> None:
    class Greedy(Widget, can_focus=True):
        takes_all_keys = True
        seen: list[str] = []

        def on_key(self, event) -> None:
            self.seen.append(event.key)

    async with console(a_day_at_work()) as (app, pilot):
        greedy = Greedy()
        await app.overview.mount(greedy)
        greedy.focus()
        await pilot.press("ctrl+q", "ctrl+p", "escape", "tab")
        assert greedy.seen[:2] == ["ctrl+q", "ctrl+p"]
        assert app.is_running
        app.overview.nodes.table.focus()
        await pilot.press("ctrl+q")
        await until(lambda: not app.is_running)


async def test_a_mistake_in_a_task_is_told_and_ends_nothing() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    async with console(a_day_at_work()) as (app, pilot):
        start_task(app.overview, broken(), "Counting")
        await until(lambda: bool(app._notifications))
        told = next(iter(app._notifications))
        assert told.message.startswith("Counting failed: ")
        assert str(where()) in told.message
        await pilot.press("2")
        assert app.overview._panel == "sessions"


async def test_leaving_a_hub_that_is_not_there_yet() -> None:
    app = ConsoleApp(ConsoleSettings(), Nowhere())
    async with app.run_test() as pilot:
        await pilot.press("ctrl+q")
        await until(lambda: not app.is_running)
    assert app.return_value == 0
    assert app.next_place is None
