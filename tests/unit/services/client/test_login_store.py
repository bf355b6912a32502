import json
import stat

import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.services.client.login_store import CredentialStore, StoredSession

HOME = StoredSession(hub="wss://home.example:8443", principal="alice", token="s3cret", name="home")
WORK = StoredSession(hub="wss://work.example", principal="alice@work", key_path="/keys/id", ca_path="/ca.pem")


@pytest.fixture
def store(tmp_path):
    return CredentialStore(tmp_path / "config" / "logins.json")


def test_nothing_is_saved_yet(store):
    assert (store.all(), store.get(), store.get("wss://home.example"), store.default_hub()) == ([], None, None, None)
    assert store.remove("home") is False


def test_save_and_get(store, tmp_path):
    store.save(HOME)
    store.save(WORK, make_default=False)
    path = tmp_path / "config" / "logins.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    again = CredentialStore(path)
    assert again.all() == [HOME, WORK]
    assert again.get() == HOME
    assert again.default_hub() == HOME.hub
    assert again.get("home") == again.get("WSS://Home.Example:8443/") == HOME
    assert again.get("wss://work.example/") == WORK
    assert again.get("") is None
    assert again.get("wss://elsewhere") is None
    assert json.loads(path.read_text())["sessions"][1] == {
        "hub": "wss://work.example",
        "principal": "alice@work",
        "keyPath": "/keys/id",
        "caPath": "/ca.pem",
    }


def test_saving_again_replaces_the_login_at_a_hub(store):
    store.save(HOME)
    store.save(WORK)
    newer = StoredSession(hub=HOME.hub + "/", principal="bob", token="t", name="home")
    store.save(newer)
    assert store.all() == [WORK, newer]
    assert store.get() == newer


def test_a_name_stands_for_one_hub(store):
    store.save(HOME)
    with pytest.raises(ConfigException, match="'home' already stands"):
        store.save(StoredSession(hub="wss://other", principal="alice", token="t", name="home"))
    with pytest.raises(ConfigException, match="already stands"):
        store.save(StoredSession(hub="wss://other", principal="alice", token="t", name=HOME.hub))
    assert store.all() == [HOME]


def test_the_only_login_needs_no_default(store):
    store.save(HOME, make_default=False)
    assert store.get() == HOME
    store.save(WORK, make_default=False)
    assert store.get() is None


def test_remove(store):
    store.save(WORK)
    third = StoredSession(hub="wss://third", principal="alice", token="t")
    store.save(third, make_default=False)
    store.save(HOME)
    assert store.remove("home") is True
    assert store.all() == [WORK, third]
    assert (store.get(), store.default_hub()) == (None, None)
    store.save(WORK)
    assert store.remove(third.hub) is True
    assert store.default_hub() == WORK.hub
    assert store.remove(WORK.hub) is True
    assert store.all() == []


@in_one_test(
    "fields",
    [
        {"hub": "", "principal": "a", "token": "t"},
        {"hub": "h", "principal": "", "token": "t"},
        {"hub": "h", "principal": "a"},
        {"hub": "h", "principal": "a", "token": ""},
        {"hub": "h", "principal": "a", "token": "t", "key_path": "k"},
    ],
)
def test_a_login_that_is_none(fields):
    with pytest.raises(ValueError, match="saved login"):
        StoredSession(**fields)


def test_repr_shows_no_token():
    assert "s3cret" not in repr(HOME) + str([HOME])
    assert "home.example" in repr(HOME)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b'{"sessions": [{"hub": "s3cret"}]}', b'{"sessions": 5}', b"[" * 100_000,
     b'{"sessions": [{"hub": "h", "principal": "s3cret"}]}', b'{"default": 5}', b'{"default": "\xff"}'],
)  # fmt: skip
def test_a_damaged_file_says_what_to_do(store, tmp_path, content):
    path = tmp_path / "config" / "logins.json"
    store.save(HOME)
    path.write_bytes(content)
    for call in (store.all, store.get, lambda: store.save(WORK), lambda: store.remove("home")):
        with pytest.raises(ConfigException, match=f"{path} is damaged: delete it") as caught:
            call()
        assert "s3cret" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_file_open_to_others_says_what_to_do(store, tmp_path):
    store.save(HOME)
    path = tmp_path / "config" / "logins.json"
    path.chmod(0o644)
    with pytest.raises(ConfigException, match=f"chmod 600 {path}"):
        store.get()


def test_a_piece_that_only_one_has_finds_it(store):
    store.save(HOME)
    store.save(WORK)
    for piece in ("hom", "home.example", "HOME", "ome.e"):
        assert store.find(piece) == HOME
    assert store.find("work") == store.find(None) == WORK
    assert store.find("elsewhere") is None
    with pytest.raises(ConfigException, match=r"piece of several saved hubs: wss://home\.example:8443, wss://work"):
        store.find("example")


@pytest.mark.parametrize(
    "url",
    [
        "https://home.example",
        "HTTPS://HOME.example:8443/",
        "wss://home.example",
        "home.example",
        "home.example:8443",
        "wss://Home.Example:8443/",
    ],
)
def test_a_hub_is_found_however_its_url_is_spelt(store, url):
    saved = StoredSession(hub="wss://home.example:8443", principal="ann", token="t")
    store.save(saved)
    assert store.find(url) == saved
    store.save(StoredSession(hub=url, principal="bob", token="t"))
    assert [kept.principal for kept in store.all()] == ["bob"]


@pytest.mark.parametrize("other", ["wss://home", "wss://home.example:84", "home.example:8443/path", "home:8443", ""])
def test_what_says_more_than_a_piece_is_another_hub(store, other):
    store.save(HOME)
    assert store.find(other) is None


def test_a_name_comes_before_what_it_is_a_piece_of(store):
    store.save(HOME)
    store.save(StoredSession(hub="wss://home.home.example", principal="bob", token="t", name="home2"))
    assert store.find("home") == HOME


def test_a_saved_hub_is_made_the_default(store):
    store.save(HOME)
    store.save(WORK)
    assert store.make_default("hom") == HOME == store.get()
    with pytest.raises(ConfigException, match="no saved login for nowhere"):
        store.make_default("nowhere")
    assert store.all() == [HOME, WORK]
