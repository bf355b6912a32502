"""A hub that answers a request to join with what was not asked for: nothing of another hub is touched."""

import asyncio
import json
import ssl
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.file_tree import FileTree
from support.quiet_websockets import QUIET
from support.stack import within
from websockets.asyncio.server import ServerConnection, serve

from omnyshell import CertGenerator
from omnyshell.cli.grammar.commands import NODE_START
from omnyshell.cli.grammar.parsing import parse
from omnyshell.cli.main import run
from omnyshell.cli.node.start import config_from
from omnyshell.services.client.login_store import CredentialStore, StoredSession

OURS = "own-words"


@dataclass
class JoinHub:
    """A hub that accepts whoever joins, with the answer that it is told to give."""

    port: int
    fingerprint: str
    answer: dict[str, Any]
    asked: list[dict[str, Any]]

    @property
    def url(self) -> str:
        return f"wss://127.0.0.1:{self.port}"

    async def join_node(self, *words: str) -> int:
        where = ("node", "join", self.url, "--ca-fingerprint", self.fingerprint, "--token", "t", "--no-start")
        return await within(asyncio.to_thread(run, [*where, *words]))

    async def join_user(self) -> int:
        words = ["login", "--join", self.url, "--ca-fingerprint", self.fingerprint, "--token", "t"]
        return await within(asyncio.to_thread(run, words))


@asynccontextmanager
async def join_hub(directory: Path, port: int = 0, **answer: Any) -> AsyncIterator[JoinHub]:
    made = CertGenerator().generate(directory, ["127.0.0.1"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made.hub_pem_path, made.hub_key_path)
    authority = ssl.PEM_cert_to_DER_cert(made.ca_pem_path.read_text())
    hub = JoinHub(0, "sha256:" + sha256(authority).hexdigest(), answer, [])

    async def handle(ws: ServerConnection) -> None:
        info = {"features": ["admin", "auth-bind"]}
        hello = {"role": "hub", "protocolVersion": 1, "minVersion": 1, "nonce": "n" * 43, "info": info}
        await ws.send(json.dumps({"t": "hello", "d": hello}))
        async for raw in ws:
            message = json.loads(raw)
            if message["t"] == "join.request":
                hub.asked.append(message["d"])
                await ws.send(json.dumps({"t": "join.accepted", "d": hub.answer}))

    async with serve(handle, "127.0.0.1", port, ssl=tls, close_timeout=1, **QUIET) as server:
        hub.port = server.sockets[0].getsockname()[1]
        yield hub


def as_node(node_id: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "node", "principal": f"node:{node_id}", "roles": ["node"], "nodeId": node_id, "labels": {}} | more


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("OMNYSHELL_HOME", str(home))
    monkeypatch.setattr("omnyshell.cli.node.join.machine_node_id", lambda: "web-1")
    return home


@asynccontextmanager
async def joined_as_web_1(home: Path, tmp_path: Path) -> AsyncIterator[JoinHub]:
    """A machine that is the node web-1 of an honest hub, and whose user is ann there."""
    async with join_hub(tmp_path / "honest", **as_node("web-1")) as honest:
        assert await honest.join_node("--id", "web-1") == 0
        honest.answer = {"kind": "user", "principal": "ann", "roles": ["admin"]}
        assert await honest.join_user() == 0
        yield honest


ELSEWHERE = ("../../hubs", "/tmp/x", "..", ".", "", ".joining-1", "a/b", "a\0b", "web\n1", "w" * 300, "\u202eweb")


@pytest.mark.parametrize("words", [(), ("--id", "web-2")])
async def test_a_node_id_from_a_hub_is_no_path_to_another_hubs_key(
    home: Path, tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    async with joined_as_web_1(home, tmp_path), join_hub(tmp_path / "evil") as evil:
        before = FileTree.of(tmp_path)
        for node_id in ("web-1", *ELSEWHERE, None):
            evil.answer = as_node(node_id)
            assert await evil.join_node(*words) == 255, node_id
            changed = before.changes()
            if node_id == "web-1" and not words:
                # The token is spent: what was made for it is kept, beside what was there.
                assert {path.parent.name[:9] for path in changed if path.is_file()} == {".joining-"}
                before = FileTree.of(tmp_path)
            else:
                assert changed == [], node_id
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        assert all(char.isprintable() or char == "\n" for char in printed.out + printed.err)
        assert all(asked.get("suggestedId") is None or words for asked in evil.asked)


async def test_an_id_that_is_another_hubs_here_costs_no_invite(home: Path, tmp_path: Path) -> None:
    async with joined_as_web_1(home, tmp_path), join_hub(tmp_path / "second", **as_node("web-1")) as second:
        before = FileTree.of(home)
        assert await second.join_node("--id", "web-1") == 255
        assert second.asked == []
        assert before.changes() == []
        assert await second.join_node("--id", "web-1", "--out", str(tmp_path / "elsewhere")) == 0
        assert before.changes() == []
        assert (tmp_path / "elsewhere" / "web-1" / "node.toml").is_file()


async def test_joining_again_at_the_same_hub_takes_the_place_of_the_earlier_join(home: Path, tmp_path: Path) -> None:
    async with joined_as_web_1(home, tmp_path) as honest:
        place = home / "config" / "nodes" / "web-1"
        before, authority = (place / "key.pem").read_bytes(), (place / "ca.pem").read_bytes()
        honest.answer = as_node("web-1")
        assert await honest.join_node() == 0
        assert honest.asked[-1]["suggestedId"] == "web-1"
        assert (place / "key.pem").read_bytes() != before
        assert (place / "ca.pem").read_bytes() == authority
        assert [path.name for path in place.parent.iterdir()] == ["web-1"]


async def test_the_same_address_with_another_authority_is_another_hub(home: Path, tmp_path: Path) -> None:
    async with joined_as_web_1(home, tmp_path) as honest:
        port = honest.port
    before = FileTree.of(home)
    async with join_hub(tmp_path / "in-between", port, **as_node("web-1")) as between:
        assert await between.join_node("--id", "web-1") == 255
        between.answer = {"kind": "user", "principal": "ann", "roles": ["admin"]}
        assert await between.join_user() == 255
        assert between.asked == []
    assert before.changes() == []


@pytest.mark.parametrize(
    "answer",
    [
        as_node("web-2", kind="user"),
        as_node("web-2", principal="node:web-3"),
        as_node("web-2", principal="ann"),
        as_node("web-2", labels={"a\nallow-command": "x"}),
        as_node("web-2", labels={"a=b": "x"}),
        as_node("web-2", labels={"": "x"}),
        as_node("web-2", labels={"a": "x\u2028y"}),
        as_node("web-2", labels={"a": "\x9b2J"}),
        {"kind": "other", "principal": "node:web-2", "nodeId": "web-2"},
    ],
)
async def test_what_was_not_asked_for_makes_no_node(
    home: Path, tmp_path: Path, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if answer["kind"] == "other":
        # It cannot be read, and counts as if it had not come.
        monkeypatch.setattr("omnyshell.services.join.CONNECT_TIMEOUT", 1.0)
    async with join_hub(tmp_path / "evil", **answer) as evil:
        before = FileTree.of(home)
        assert await evil.join_node("--id", "web-2") == 255
        assert evil.asked
        assert [path for path in before.changes() if path.is_file()] == []


@pytest.mark.parametrize("principal", ["", "a b", "node:web-1", "a\x1b[2J", "a\n", "x" * 129, "\u202eann"])
async def test_a_name_that_is_none_makes_no_login(home: Path, tmp_path: Path, principal: str) -> None:
    async with join_hub(tmp_path / "evil", kind="user", principal=principal) as evil:
        assert await evil.join_user() == 255
    assert CredentialStore(home / "config" / "logins.json").all() == []


async def test_no_two_logins_share_a_key_file(home: Path, tmp_path: Path) -> None:
    async with join_hub(tmp_path / "one", kind="user") as one, join_hub(tmp_path / "two", kind="user") as two:
        keys = set()
        for hub, principal in ((one, "ann"), (one, "a_n"), (one, "a/n"), (one, "ä" * 128), (two, "ann")):
            hub.answer = {"kind": "user", "principal": principal, "roles": ["dev", "ops"]}
            assert await hub.join_user() == 0
            login = CredentialStore(home / "config" / "logins.json").get(hub.url)
            assert login is not None
            assert login.key_path is not None
            keys.add(Path(login.key_path).read_bytes())
        assert len(list((home / "config" / "hubs").glob("*/key.pem"))) == len(keys) == 5


async def test_a_login_that_trusts_the_system_is_not_replaced_by_an_invite(home: Path, tmp_path: Path) -> None:
    async with join_hub(tmp_path / "evil", kind="user", principal="ann") as evil:
        store = CredentialStore(home / "config" / "logins.json")
        saved = StoredSession(hub=evil.url, principal="ann", token="secret")
        store.save(saved)
        assert await evil.join_user() == 255
        assert store.all() == [saved]


async def test_settings_hold_what_was_said_and_nothing_more(home: Path, tmp_path: Path) -> None:
    labels = {"env": 'prod"\\', "allow-roles": "a,b", "name": "böx 𝄞"}
    async with join_hub(tmp_path / "hub", **as_node("web-2", labels=labels)) as hub:
        more = ("--label", "odd=\x7f\n]", "--allow-command", 'git log "*" \u202e')
        assert await hub.join_node("--id", "web-2", *more) == 0
    settings = tomllib.loads((home / "config" / "nodes" / "web-2" / "node.toml").read_text())
    assert settings["label"] == sorted([*(f"{key}={value}" for key, value in labels.items()), "odd=\x7f\n]"])
    assert settings["allow-command"] == ['git log "*" \u202e']
    assert set(settings) == {"hub", "id", "principal", "key", "ca", "label", "allow-command"}


async def test_what_no_file_can_hold_is_told_before_the_token_is_spent(home: Path, tmp_path: Path) -> None:
    async with join_hub(tmp_path / "hub", **as_node("web-2")) as hub:
        assert await hub.join_node("--id", "web-2", "--label", "a=\udc80") == 255
        assert hub.asked == []


BY_HAND = """
# Only what the database needs.
tunnel-allow = ["localhost:5432"]
refuse-env = ["*"]
allow-command = [
    "df *",   # disks
]
max-sessions = 3
bind-certificate = "/etc/proxy.pem"
allow-unbound = true

[[commands]]
program = "/usr/bin/uptime"     # by hand
"""


async def test_joining_again_loses_no_restriction_and_no_word_of_the_file(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with joined_as_web_1(home, tmp_path) as honest:
        file = home / "config" / "nodes" / "web-1" / "node.toml"
        before = file.read_text().replace("label = ", "#label = ") + 'label = "allow-roles=ops"' + BY_HAND
        file.write_text(before)
        honest.answer = as_node("web-1", labels={"env": "prod"})
        assert await honest.join_node() == 0
        after = file.read_text()
        gone = set(before.splitlines()) - set(after.splitlines())
        assert {line.split(" ")[0] for line in gone} == {"label", "bind-certificate", "allow-unbound"}
        assert after.endswith(BY_HAND[BY_HAND.index("[[commands]]") :])
        settings = tomllib.loads(after)
        assert settings["label"] == ["allow-roles=ops", "env=prod"]
        policy = config_from(parse(NODE_START, ["--config", str(file)])).commands
        assert [rule.program for rule in policy.all_rules] == ["df", "/usr/bin/uptime"]
        # What is asked for takes the place of what was.
        assert await honest.join_node("--allow-command", "id", "--label", "allow-roles=none") == 0
        settings = tomllib.loads(file.read_text())
        assert settings["allow-command"] == ["id"]
        assert settings["label"] == ["allow-roles=none", "env=prod"]
        assert settings["commands"] == [{"program": "/usr/bin/uptime"}]


@pytest.mark.parametrize("more", ["label = 1\n", "label = ['x']\n"])
async def test_a_file_that_joining_cannot_change_is_left_and_told_of(
    home: Path, tmp_path: Path, more: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with joined_as_web_1(home, tmp_path) as honest:
        file = home / "config" / "nodes" / "web-1" / "node.toml"
        file.write_text(file.read_text() + more)
        before = file.read_text()
        honest.answer = as_node("web-1")
        assert await honest.join_node() == 255
        assert file.read_text() == before
        assert "node.toml is as before: " in capsys.readouterr().err
