"""Choosing a hub: the logins that are saved, this machine, or another hub."""

import asyncio
from collections.abc import Callable, Mapping

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Checkbox, Input, OptionList, Static
from textual.widgets.option_list import Option

from omnyshell.errors import AuthException, ConfigException, OmnyShellException
from omnyshell.paths import logins_file, user_path
from omnyshell.printable import printable
from omnyshell.security.key_files import PassphraseException
from omnyshell.services.access_options import BINDING
from omnyshell.services.client.access import complete, hub_access, login_to_save
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.login_store import CredentialStore, StoredSession
from omnyshell.services.client.passphrases import AskPassphrase
from omnyshell.services.dial import HubAccess
from omnyshell.services.local.setup import LOGIN_NAME, LocalSetup
from omnyshell.tui.advice import with_remedy
from omnyshell.tui.dialogs.boxed import Form, row
from omnyshell.tui.dialogs.passphrase import PassphraseDialog
from omnyshell.tui.dialogs.reading import FormError, Reading, filled
from omnyshell.tui.hub_places import Place, RemoteHub, ThisMachine
from omnyshell.tui.tasks import start_task
from omnyshell.tui.widgets.field import Field
from omnyshell.tui.widgets.tick import Tick

FIELDS = {
    "hub": ("Hub", "wss://host:8443"),
    "principal": ("Principal", "who you are"),
    "token": ("Token", "or a key file below"),
    "key": ("Key file", "~/.omnyshell/me.key, or agent"),
    "ca": ("Trust", "certificate file; empty for the system's"),
}


class LoginScreen(Form[Place]):
    """Returns the hub that was chosen, or None.

    `why` is the reason that is shown. `wanted` are values to fill in, by the names in `FIELDS`, without a token, and
    settings for binding logins to that hub. With `asks_at_once` only the passphrase of its key is missing.
    """

    DEFAULT_CSS = """
    LoginScreen {
        background: $background;
        #box { width: 76; }
        .heading { color: $muted; text-style: bold; height: 1; }
        OptionList { height: auto; max-height: 8; margin-bottom: 1; background: $surface; border: none; padding: 0; }
        #why { color: $error; height: auto; margin-bottom: 1; }
        .buttons { height: 1; margin-top: 1; }
    }
    """

    def __init__(
        self, wanted: Mapping[str, str], why: str = "", *, offers_local: bool = True, asks_at_once: bool = False
    ) -> None:
        super().__init__()
        self._asks_at_once = asks_at_once
        self._offers_local = offers_local
        self._wanted = wanted
        self._why = why
        self._saved: list[StoredSession] = []

    def compose(self) -> ComposeResult:
        """The saved logins, and a form for another one."""
        with VerticalScroll(id="box") as box:
            box.border_title = "Choose a hub"
            box.border_subtitle = "esc leaves"
            if self._why:
                yield Static(printable(self._why), id="why", markup=False)
            yield Static("SAVED", classes="heading")
            yield OptionList(*self._options(), compact=True)
            yield Static("ANOTHER HUB", classes="heading")
            for name, (title, hint) in FIELDS.items():
                value = self._wanted.get(name, "") if name != "token" else ""
                yield row(title, Field(value, placeholder=hint, id=name, password=name == "token", compact=True))
            yield Static(id="error", markup=False)
            with Horizontal(classes="buttons"):
                yield Tick("Save this login", value=True, id="save", compact=True)
                yield Button("Log in", id="login", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Focus what is missing for the requested hub, or the list of saved logins."""
        if self._asks_at_once:
            self._choose(self._wanted)
        if not self._wanted.get("hub"):
            self.query_one(OptionList).focus()
        elif self._wanted.get("principal"):
            self.query_one("#key" if self._wanted.get("key") else "#token").focus()
        else:
            self.query_one("#principal").focus()

    def _options(self) -> list[Option]:
        try:
            self._saved = [login for login in CredentialStore(logins_file()).all() if login.name != LOGIN_NAME]
        except ConfigException as exc:
            self._why = self._why or with_remedy(exc)
        own = Option(Content.assemble(("This machine", "bold"), "  its own hub and node, made as needed"), id="local")
        saved = [Option(_line(login)) for login in self._saved]
        return [own, *saved] if self._offers_local else saved

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go to the chosen hub."""
        event.stop()
        if event.option_id == "local":
            place: Place = ThisMachine(LocalSetup.default())
            self.dismiss(place)
            return
        self._choose({"hub": self._saved[event.option_index - self._offers_local].hub})

    def _choose(self, given: Mapping[str, str]) -> None:
        """Go to the hub of a saved login, or of one that was given."""
        start_task(self, self._go(lambda ask: complete(given, ask)), "Logging in", group="login")

    async def _go(self, made: Callable[[AskPassphrase | None], HubAccess]) -> None:
        access = await self._opened(made)
        if access is not None:
            self.dismiss(RemoteHub(access))

    async def _opened(self, made: Callable[[AskPassphrase | None], HubAccess]) -> HubAccess | None:
        """Return the access, after asking for its key's passphrase if needed; None if none is given."""
        try:
            return await asyncio.to_thread(made, None)
        except ConfigException as exc:
            if not (isinstance(exc, PassphraseException) and exc.is_missing):
                self.complain(with_remedy(exc))
                return None
            path = exc.path
        found: list[HubAccess] = []

        async def use(passphrase: str) -> None:
            # In a thread, as a try takes a third of a second.
            found.append(await asyncio.to_thread(made, lambda _path: iter([passphrase])))

        await self.app.push_screen_wait(PassphraseDialog(path, use))
        return found[0] if found else None

    def on_input_submitted(self) -> None:
        """Enter logs in."""
        self._log_in()

    def on_button_pressed(self) -> None:
        """Log in."""
        self._log_in()

    def _log_in(self) -> None:
        try:
            given = self._given()
        except FormError as exc:
            self.refuse(exc)
            return
        if given.get("hub") == self._wanted.get("hub"):
            # These settings apply only to the requested hub.
            given |= {option.key: self._wanted[option.key] for option in BINDING if option.key in self._wanted}
        self.point_out({})
        start_task(self, self._try(given), "Logging in", group="login")

    def _given(self) -> dict[str, str]:
        """What is filled in. Raises `FormError`."""
        reading = Reading(lambda name: self.query_one(f"#{name}", Input).value.strip())
        key = reading.take("key", str, "")
        given = {
            "hub": reading.take("hub", filled("Which hub? For example wss://hub.example:8443."), ""),
            "principal": reading.take("principal", filled("Who are you? The name that the hub knows you by."), ""),
            "token": reading.take("token", str if key else filled("Log in with what? A token, or a key file."), ""),
            "key": key,
            "ca": reading.take("ca", existing_file, ""),
        }
        reading.check()
        return {name: text for name, text in given.items() if text}

    async def _try(self, given: dict[str, str]) -> None:
        button = self.query_one("#login", Button)
        button.disabled = True
        try:
            access = await self._opened(lambda ask: hub_access(given, ask))
            if access is None:
                return
            access.waiting.show = self.complain
            async with OmnyShellClient(ClientConfig(access=access, reconnect_timeout=0)):
                pass
            if self.query_one("#save", Checkbox).value:
                CredentialStore(logins_file()).save(login_to_save(access, given))
        except OmnyShellException as exc:
            if isinstance(exc, AuthException):
                where = "key" if "key" in given else "token"
                self.point_out({where: _refusal(exc)})
                self.go_to(where)
            else:
                self.complain(_refusal(exc))
            return
        finally:
            button.disabled = False
        self.dismiss(RemoteHub(access))


def existing_file(text: str) -> str:
    """Read the path of a file, or nothing. Raises `ValueError` where there is none."""
    if text and not user_path(text).is_file():
        raise ValueError(f"There is no file {user_path(text)}.")
    return text


def _refusal(error: OmnyShellException) -> str:
    if isinstance(error, AuthException) and error.address:
        return f"{error}: check principal and key; or the hub takes no logins for {error.address} (its --public-url)"
    return with_remedy(error)


def _line(login: StoredSession) -> Content:
    name = f"{printable(login.name)}  " if login.name else ""
    return Content.assemble((f"{name}{printable(login.hub)}", "bold"), f"  as {printable(login.principal)}")
