"""Where a key's passphrase comes from, and what is said where it does not."""

import pytest

from omnyshell.errors import ConfigException
from omnyshell.paths import logins_file
from omnyshell.security.key_files import PassphraseException
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.client.access import complete, given_access, login_to_save
from omnyshell.services.client.login_store import CredentialStore, StoredSession
from omnyshell.services.client.passphrases import open_key, read_passphrase

HUB = "wss://hub.example:8443"


class Asked:
    """Somebody who answers so, one after another."""

    def __init__(self, *answers):
        self.answers = answers
        self.count = 0

    def __call__(self, path):
        self.path = path
        for answer in self.answers:
            self.count += 1
            yield answer


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "id"
    Ed25519PrivateKey.generate().save(path, passphrase=b"right")
    return path


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "passphrase"
    file.write_bytes(b"right\n")
    file.chmod(0o600)
    return file


def opens(key, path):
    return key.public_key == Ed25519PrivateKey.load(path, b"right").public_key


def test_it_comes_from_the_environment_or_a_file_without_asking(path, file):
    asked = Asked()
    assert opens(open_key(path, {"key_passphrase": "right"}, asked), path)
    assert opens(open_key(path, {"key_passphrase_file": str(file)}, asked), path)
    assert asked.count == 0


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_file_holds_one_line_whose_other_bytes_count(path, file, ending):
    file.write_bytes(b" \xff right " + ending)
    assert read_passphrase({"key_passphrase_file": str(file)}) == (b" \xff right ", str(file))


def test_a_file_must_be_private_and_there_and_not_empty(path, file, tmp_path):
    given = {"key_passphrase_file": str(file)}
    for mode in (0o640, 0o604, 0o620, 0o666, 0o755):
        file.chmod(mode)
        with pytest.raises(ConfigException, match=f"chmod 600 {file}"):
            open_key(path, given, None)
    file.chmod(0o600)
    for empty in (b"", b"\n", b"\r\n"):
        file.write_bytes(empty)
        with pytest.raises(ConfigException, match="is empty"):
            open_key(path, given, None)
    with pytest.raises(ConfigException, match="is missing"):
        open_key(path, {"key_passphrase_file": str(tmp_path / "none")}, None)


def test_a_wrong_one_names_its_origin_and_nobody_is_asked_then(path, file, monkeypatch):
    asked = Asked("right")
    file.write_bytes(b"wrong")
    for given, origin in (
        ({"key_passphrase": "wrong"}, "OMNYSHELL_KEY_PASSPHRASE"),
        ({"key_passphrase_file": str(file)}, str(file)),
    ):
        with pytest.raises(PassphraseException, match=f"the passphrase of {path} is wrong: it is taken from {origin}"):
            open_key(path, given, asked)
    assert asked.count == 0


def test_who_is_asked_may_be_wrong_as_often_as_they_are_asked(path):
    asked = Asked("wrong", "", "right", "never asked")
    assert opens(open_key(path, {}, asked), path)
    assert (asked.count, asked.path) == (3, path)
    with pytest.raises(PassphraseException, match="is wrong"):
        open_key(path, {}, Asked("wrong", "wronger", "wrongest"))
    with pytest.raises(PassphraseException, match="needs its passphrase") as caught:
        open_key(path, {}, None)
    assert caught.value.is_missing


def test_a_plain_key_asks_nobody(tmp_path):
    plain = tmp_path / "plain"
    Ed25519PrivateKey.generate().save(plain)
    asked = Asked()
    open_key(plain, {}, asked)
    assert asked.count == 0


def test_an_option_takes_the_place_of_the_environment(file, monkeypatch):
    monkeypatch.setenv("OMNYSHELL_KEY_PASSPHRASE", "from the environment")
    monkeypatch.setenv("OMNYSHELL_KEY_PASSPHRASE_FILE", "/elsewhere")
    found = given_access({"key_passphrase_file": str(file)})
    assert found == {"key_passphrase_file": str(file)}
    assert given_access({})["key_passphrase"] == "from the environment"
    # Whichever key is meant: an option for it is no passphrase.
    assert given_access({"key": "k"})["key_passphrase"] == "from the environment"


def test_bytes_that_are_no_text_pass_through_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "id"
    Ed25519PrivateKey.generate().save(path, passphrase=b"\xff\xfe")
    monkeypatch.setenv("OMNYSHELL_KEY_PASSPHRASE", b"\xff\xfe".decode("utf-8", "surrogateescape"))
    assert open_key(path, given_access({}), None)


def test_a_saved_login_remembers_the_file_and_not_the_passphrase(path, file):
    given = {"hub": HUB, "principal": "ann", "key": str(path), "key_passphrase_file": str(file)}
    store = CredentialStore(logins_file())
    store.save(login_to_save(complete(given), given))
    assert "right" not in logins_file().read_text()
    assert opens(complete({}).credentials.private_key, path)
    # What is given comes first, the environment's too.
    with pytest.raises(PassphraseException, match="OMNYSHELL_KEY_PASSPHRASE"):
        complete({"key_passphrase": "wrong"})


def test_a_login_saved_without_a_file_asks_each_time(path):
    CredentialStore(logins_file()).save(StoredSession(hub=HUB, principal="ann", key_path=str(path)))
    with pytest.raises(PassphraseException, match="needs its passphrase"):
        complete({})
    assert opens(complete({}, Asked("right")).credentials.private_key, path)


def test_a_file_of_the_version_before_is_read(path):
    logins_file().parent.mkdir(parents=True)
    logins_file().write_text(f'{{"sessions":[{{"hub":"{HUB}","principal":"ann","keyPath":"{path}"}}]}}')
    logins_file().chmod(0o600)
    assert opens(complete({}, Asked("right")).credentials.private_key, path)
