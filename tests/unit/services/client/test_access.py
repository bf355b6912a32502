"""Which hub, as whom, and how its proofs are bound: from options, environment and saved logins."""

import argparse
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.deadline import DEADLINE
from support.in_one_test import in_one_test

from omnyshell.cli.grammar.commands import COMMANDS
from omnyshell.cli.grammar.parsing import parse
from omnyshell.cli.ground.access import access_from
from omnyshell.errors import ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.model.hubs import OtherHub
from omnyshell.paths import bound_hubs_file, known_hubs_file, logins_file
from omnyshell.security.credentials import TokenCredentialProvider
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.binding import Binding
from omnyshell.services.bound_hubs import BoundHubs
from omnyshell.services.client.access import (
    access_from_environment,
    complete,
    given_access,
    hub_access,
    login_to_save,
)
from omnyshell.services.client.login_store import PRESENT_FORMAT, CredentialStore, StoredSession
from omnyshell.services.known_hubs import KnownHubs
from omnyshell.transport.connection import HubAddress

HUB = HubAddress("hub.example", 8443)
URL = str(HUB)


@pytest.fixture(name="key")
def _key(tmp_path: Path) -> str:
    Ed25519PrivateKey.generate().save(tmp_path / "ann.key")
    return str(tmp_path / "ann.key")


def save(key: str, **more: Any) -> None:
    CredentialStore(logins_file()).save(StoredSession(hub=URL, principal="ann", key_path=key, **more))


def test_a_login_from_before_is_an_old_friend_with_its_own_key_alone(key: str) -> None:
    save(key)
    assert complete({}).binding.is_old_friend
    assert complete({"hub": URL}).binding.is_old_friend
    assert not complete({"key": key}).binding.is_old_friend
    assert not complete({"hub": "wss://other.example", "principal": "ann", "key": key}).binding.is_old_friend
    assert not complete({}).binding.allow_unbound


def test_a_login_saved_at_a_hub_that_binds_is_none_and_the_hub_is_remembered(key: str) -> None:
    save(key, bound=True, since=PRESENT_FORMAT)
    binding = complete({}).binding
    assert not binding.is_old_friend
    assert HUB in binding.hubs
    assert not bound_hubs_file().exists()


def test_what_was_allowed_for_a_login_is_allowed_for_its_hub_and_principal_alone(key: str, tmp_path: Path) -> None:
    save(key, allow_unbound=True, bind_certificate="/certs/hub.pem")
    assert complete({}).binding.allow_unbound
    assert complete({}).binding.certificate == Path("/certs/hub.pem")
    assert complete({"bind_certificate": "/other.pem"}).binding.certificate == Path("/other.pem")
    assert not complete({"principal": "bob", "key": key}).binding.allow_unbound
    elsewhere = complete({"hub": "wss://other.example", "principal": "ann", "key": key}).binding
    assert (elsewhere.allow_unbound, elsewhere.certificate) == (False, None)


def test_a_login_is_good_at_each_hub_to_which_it_goes_when_its_own_ends(key: str) -> None:
    other = "wss://hub-b.example:8443"
    KnownHubs(known_hubs_file()).note(str(HUB), (OtherHub(url=other, weight=100),))
    for pinned in ({}, {"ca_path": "/ca.pem", "bind_certificate": "/hub.pem"}):
        save(key, allow_unbound=True, **pinned)
        with pytest.raises(ConfigException, match="who are you"):
            complete({"hub": other})
    save(key, allow_unbound=True, ca_path="/ca.pem")
    access = complete({"hub": "wss://HUB-B.example:8443"})
    assert (access.address, access.ca) == (HubAddress.parse(other), Path("/ca.pem"))
    assert access.credentials.principal == "ann"
    # No weaker proof was allowed for that one, unless it is now, for it alone.
    assert not access.binding.allow_unbound
    for given in ({"hub": other, "allow_unbound": "yes"}, {"hub": "wss://hub-c.example"}):
        with pytest.raises(ConfigException, match="who are you"):
            complete(given)


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("bound", [False, True])
def test_what_is_kept_of_a_login_that_works(key: str, allowed: bool, bound: bool) -> None:
    given = {"hub": URL, "principal": "ann", "key": key, "bind_certificate": "hub.pem"}
    access = hub_access(given | ({"allow_unbound": "yes"} if allowed else {}))
    if bound:
        access.binding.hubs.add(HUB)
    kept = login_to_save(access, given)
    assert (kept.bound, kept.allow_unbound) == (bound, allowed and not bound), "nothing is allowed that is not needed"
    assert kept.bind_certificate == str(Path("hub.pem").resolve())
    CredentialStore(logins_file()).save(kept)
    again = complete({}).binding
    assert (again.allow_unbound, HUB in again.hubs) == (kept.allow_unbound, bound)
    assert not again.is_old_friend


def options(*words: str) -> argparse.Namespace:
    command = next(known for known in COMMANDS if known.words == ("whoami",))
    return parse(command, list(words))


def test_the_certificate_may_come_from_the_environment_and_the_permission_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMNYSHELL_BIND_CERTIFICATE", "/env.pem")
    monkeypatch.setenv("OMNYSHELL_ALLOW_UNBOUND", "1")
    assert given_access(vars(options())) == {"bind_certificate": "/env.pem"}
    said = given_access(vars(options("--allow-unbound", "--bind-certificate", "/said.pem")))
    assert said == {"bind_certificate": "/said.pem", "allow_unbound": "yes"}


# The file of hubs


def test_a_hub_is_written_once_and_found_by_any_spelling_of_its_address(tmp_path: Path) -> None:
    path = tmp_path / "hubs"
    hubs = BoundHubs(path)
    assert HUB not in hubs
    hubs.add(HUB)
    written = path.stat()
    for address in (HUB, HubAddress("Hub.Example", 8443), HubAddress("hub.example", 8443, "/path")):
        assert address in BoundHubs(path)
        BoundHubs(path).add(address)
    assert path.stat().st_ino == written.st_ino, "nothing is written at every start"
    assert path.stat().st_mode & 0o777 == 0o600
    assert HubAddress("hub.example", 8444) not in BoundHubs(path)
    BoundHubs(path).add(HubAddress("::1", 1))
    assert [line for line in path.read_text().splitlines() if not line.startswith("#")] == [URL, "wss://localhost:1"]


SPELLINGS = [
    ("hub.example", "hub.example.", "HUB.Example"),
    ("bücher.example", "xn--bcher-kva.example", "BÜCHER.example."),
    ("127.0.0.1", "127.1", "localhost", "::1", "[::1]", "0:0:0:0:0:0:0:1", "::1%lo", "::ffff:127.0.0.1", "0x7f000001"),
    ("192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"),
    ("2001:db8::1", "2001:DB8:0:0:0:0:0:1", "[2001:db8::1]"),
]


@in_one_test("spellings", SPELLINGS, ids=lambda spellings: spellings[0])
def test_no_spelling_of_a_known_hub_gets_a_weaker_proof(spellings: tuple[str, ...]) -> None:
    older = (frozenset[str](), frozenset({"auth-bind"}))
    for first, other, announced in itertools.product(spellings, spellings, older):
        binding = Binding(allow_unbound=True, is_old_friend=True)
        binding.note(HubAddress(first, 8443), frozenset({"auth-bind-2"}))
        with pytest.raises(ConfigException, match="Nothing was signed"):
            binding.choose(HubAddress(other, 8443), announced, "n" * 43)


@in_one_test(("first", "other"), list(itertools.combinations([spellings[0] for spellings in SPELLINGS], 2)))
def test_hubs_that_are_others_are_told_apart(first: str, other: str) -> None:
    hubs = BoundHubs()
    hubs.add(HubAddress(first, 8443))
    assert HubAddress(other, 8443) not in hubs


WRITERS = """
import os, sys
from pathlib import Path
from omnyshell.services.bound_hubs import BoundHubs
from omnyshell.transport.connection import HubAddress

heard, begun = os.pipe()
writers = []
for name in sys.argv[2:]:
    writers.append(os.fork())
    if not writers[-1]:
        os.close(begun)
        os.read(heard, 1)
        BoundHubs(Path(sys.argv[1])).add(HubAddress(name, 1))
        os._exit(0)
# They wait for the end of the pipe, so that all write at once.
os.close(begun)
assert [os.waitpid(writer, 0)[1] for writer in writers] == [0] * len(writers)
"""


def test_of_many_processes_that_write_at_once_none_loses_what_another_wrote(tmp_path: Path) -> None:
    path = tmp_path / "hubs"
    names = [f"hub-{number}.example" for number in range(8)]
    subprocess.run([sys.executable, "-c", WRITERS, str(path), *names], check=True, timeout=DEADLINE)
    assert all(HubAddress(name, 1) in BoundHubs(path) for name in names)


def test_a_file_that_cannot_be_written_is_made_up_for_while_the_process_lives(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    hubs = BoundHubs(tmp_path / "file" / "hubs")
    hubs.add(HUB)
    assert HUB in hubs


def test_what_another_memory_knows_counts_and_is_not_copied(tmp_path: Path) -> None:
    known = BoundHubs()
    known.assume(HUB)
    hubs = BoundHubs(tmp_path / "hubs", beside=known)
    assert HUB in hubs
    assert not (tmp_path / "hubs").exists()


@pytest.mark.parametrize("name", ["key", "ca", "token_file"])
def test_a_file_that_others_can_write_is_told_with_the_variable_that_names_it(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    given = {"OMNYSHELL_HUB": URL, "OMNYSHELL_PRINCIPAL": "ann", "OMNYSHELL_KEY": key}
    bad = tmp_path / "bad"
    bad.write_text("hello\n")
    bad.chmod(0o666)
    if name == "token_file":
        del given["OMNYSHELL_KEY"]
    for variable, value in (given | {f"OMNYSHELL_{name.upper()}": str(bad)}).items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigException, match=f"^OMNYSHELL_{name.upper()}: others can write {bad}; chmod go-w"):
        access_from(options())
    # Where it was said on the command line, the variable has no part in it.
    monkeypatch.setenv(f"OMNYSHELL_{name.upper()}", key)
    with pytest.raises(ConfigException, match=f"^others can write {bad}"):
        access_from(options(f"--{name.replace('_', '-')}", str(bad)))


def test_a_program_gets_the_login_that_the_command_line_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigException, match="which hub"):
        access_from_environment()
    logins = CredentialStore(logins_file())
    logins.save(StoredSession(hub="wss://one.example:8443", principal="ann", token="of-one", name="one"))
    logins.save(StoredSession(hub="wss://two.example:9443", principal="bob", token="of-two", name="two"))
    assert access_from_environment().address == HubAddress("two.example", 9443)
    found = access_from_environment("one")
    assert found.address == HubAddress("one.example", 8443)
    assert found.credentials == TokenCredentialProvider(PrincipalId("ann"), "of-one")
    monkeypatch.setenv("OMNYSHELL_HUB", "one")
    monkeypatch.setenv("OMNYSHELL_TOKEN", "another")
    assert access_from_environment().credentials == TokenCredentialProvider(PrincipalId("ann"), "another")
    with pytest.raises(ConfigException, match="who are you at wss://"):
        access_from_environment("three.example")
