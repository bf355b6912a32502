"""The files of hosts that ssh knows."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from omnyshell.errors import ConfigException
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.client.ssh.known_hosts import CHANGED, NEW, SAME, ChangedKeyException, KnownHost, Shown
from omnyshell.services.client.ssh.own_key import OwnKey

NODE, OTHER_NODE, HOST, OTHER_HOST = (Ed25519PrivateKey.generate().public_key for _ in range(4))


def shown(host_key=HOST, node_key=NODE, user="ann") -> Shown:
    return Shown(user=user, host_key=host_key, node_key=node_key)


def test_what_a_node_shows_is_a_line_for_each_user(tmp_path: Path) -> None:
    known = KnownHost(tmp_path, "n1.omny")
    known.accept(shown())
    known.accept(shown(OTHER_HOST, user="bea"))
    lines = known.path.read_text().splitlines()
    assert lines[0] == f"# omnyshell node key: {NODE.to_base64()}"
    assert [line.split()[0] for line in lines[1:]] == ["*", "*"]
    assert [line.split()[3] for line in lines[1:]] == ["ann", "bea"]
    assert known.path.stat().st_mode & 0o777 == 0o600


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    known = KnownHost(tmp_path, "n1.omny")
    known.accept(shown())
    before = known.path.stat()
    known.accept(shown())
    assert known.path.stat().st_ino == before.st_ino


def test_a_host_key_may_change_where_the_same_node_signs_it(tmp_path: Path) -> None:
    known = KnownHost(tmp_path, "n1.omny")
    known.accept(shown())
    known.accept(shown(OTHER_HOST))
    assert len(known.path.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (shown(), shown(node_key=OTHER_NODE)),
        (shown(), shown(node_key=None)),
        (shown(node_key=None), shown(OTHER_HOST, node_key=None)),
        (shown(node_key=None), shown(OTHER_HOST)),
        (shown(), shown(OTHER_HOST, node_key=None, user="bea")),
    ],
)
def test_what_changed_is_refused_and_stays_as_it_was_until_it_is_forgotten(
    tmp_path: Path, before: Shown, now: Shown
) -> None:
    known = KnownHost(tmp_path, "n1.omny")
    known.accept(before)
    data = known.path.read_bytes()
    with pytest.raises(ChangedKeyException):
        known.accept(now)
    assert known.path.read_bytes() == data
    assert known.forget()
    assert not known.forget()
    known.accept(now)


def test_a_node_that_gets_a_key_is_known_by_it_from_then_on(tmp_path: Path) -> None:
    known = KnownHost(tmp_path, "n1.omny")
    known.accept(shown(node_key=None))
    known.accept(shown())
    known.accept(shown(OTHER_HOST))


def test_the_key_is_made_once_and_ssh_reads_it(tmp_path: Path) -> None:
    key = OwnKey(tmp_path / "ssh")
    with pytest.raises(ConfigException, match="there is no key for ssh"):
        key.public()
    key.make()
    data = key.path.read_bytes()
    key.make()
    assert key.path.read_bytes() == data
    assert Ed25519PrivateKey.load(key.path).public_key == key.public()
    (tmp_path / "ssh" / "id_ed25519.pub").write_text("nonsense")
    with pytest.raises(ConfigException, match="holds no key"):
        key.public()


def test_what_is_shown_is_judged_without_being_noted(tmp_path: Path) -> None:
    known = KnownHost(tmp_path, "n1.omny")
    assert known.judge(shown()) == NEW
    assert not known.path.exists()
    known.accept(shown())
    data = known.path.read_bytes()
    assert known.judge(shown(OTHER_HOST, user="bea")) == SAME
    assert known.judge(shown(node_key=OTHER_NODE)) == CHANGED
    assert known.path.read_bytes() == data


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Also one that somebody puts there between two connections."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    elsewhere.chmod(0o600)
    known = KnownHost(tmp_path / "ssh", "n1.omny")
    known.path.parent.mkdir()
    known.path.symlink_to(elsewhere)
    known.accept(shown())
    assert elsewhere.read_bytes() == b""
    assert not known.path.is_symlink()


def test_two_connections_at_once_note_what_each_was_shown(tmp_path: Path) -> None:
    users = [f"user{number}" for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda user: KnownHost(tmp_path, "n1.omny").accept(shown(user=user)), users))
    lines = KnownHost(tmp_path, "n1.omny").path.read_text().splitlines()
    assert {line.split()[3] for line in lines[1:]} == set(users)
