"""What makes a hub one of several: its files, its invitation, and what the log begins with."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec import structs
from support.clock import FakeClock
from support.in_one_test import in_one_test
from support.truth_logs import Made

from omnyshell.errors import ConfigException
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey
from omnyshell.services.hub.access.lock_store import LockStore
from omnyshell.services.hub.cluster.joining import Admitting
from omnyshell.services.hub.cluster.members.engine_access import JOINING, EngineKeys, Kind, hub_access, key_text
from omnyshell.services.hub.cluster.members.engine_users import FOR_EVER
from omnyshell.services.hub.cluster.members.identity import ENGINE_CONFIG, ClusterFiles
from omnyshell.services.hub.cluster.members.invitation import (
    VALID,
    Asked,
    Invitation,
    NotInvitedException,
    admit,
    as_asked,
    ask,
    bar,
    check_admitted,
    check_invited,
    found,
    invite,
    read_invitation,
)
from omnyshell.services.hub.cluster.members.signing import opened, sign
from omnyshell.services.hub.cluster.shared.genesis import LARGEST, genesis
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.ground.cluster_settings import flaw_of_engine
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.hub.truth.changes import SetLabels, Transaction, together
from omnyshell.services.hub.truth.log import SqliteLog
from omnyshell.services.hub.truth.member_changes import AddMember, RemoveMember

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SERVERS = ("tls://nats.example:4222",)


def held(file: StateFile) -> list[object]:
    """What a hub makes of its tables; rows that no hub would write are nothing to it."""
    store = EnrolmentStore(file)
    rows = [store.principals(), store.credentials(), store.invites(), LockStore(file).locks()]
    return [*(sorted(map(repr, each)) for each in rows), store.node_labels(), file.run("SELECT * FROM node_owners")]


class Joining:
    """A founder's files, and what passes between it and a hub that it invites."""

    def __init__(self, directory: Path) -> None:
        self.founder = ClusterFiles(directory)
        found(self.founder, "a", SERVERS, NOW)

    def asks(self, hub: str = "b") -> tuple[Invitation, Asked]:
        invitation = read_invitation(f" {invite(self.founder, hub, NOW)}\n")
        return invitation, ask(invitation)[2]


def test_a_hub_that_is_invited_makes_its_keys_and_is_who_its_founder_says(tmp_path: Path) -> None:
    joining = Joining(tmp_path)
    line = invite(joining.founder, "b", NOW)
    assert len(line) < 4096  # a terminal takes no longer line
    invitation = read_invitation(line)
    key, engine_key, asked = ask(invitation)
    assert key.public_key != engine_key.public_key
    assert check_invited(joining.founder, "b", asked, NOW) == AddMember("b", key.public_key.raw, NOW)
    admitted = admit(joining.founder, "b", asked, NOW)
    check_admitted(invitation, asked, admitted)
    mine = joining.founder.read()
    own = invitation.identity
    assert (own.hub, own.founder_key, own.is_founding) == ("b", mine.key.public_key.raw, False)
    # An answer that was lost is given again to the same hub, which is told of its credentials as before.
    assert check_invited(joining.founder, "b", asked, NOW)
    assert admit(joining.founder, "b", asked, NOW) == admitted
    for path in joining.founder.directory.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert "PRIVATE" not in (joining.founder.directory / ENGINE_CONFIG).read_text()
    with pytest.raises(ConfigException, match="already"):
        found(joining.founder, "a", SERVERS, NOW)


def test_who_is_not_invited_or_too_late_or_second_or_with_a_false_ticket_is_not_let_in(tmp_path: Path) -> None:
    joining = Joining(tmp_path)
    invitation, asked = joining.asks()
    last = NOW + VALID
    refused = {
        "no invitation": ("c", asked, NOW),
        "good until": ("b", asked, last),
        "not the newest": ("b", structs.replace(asked, key=b"k" * 32), NOW),
        "names no keys": ("b", _signed(invitation, structs.replace(asked, key=b"short")), NOW),
    }
    for why, (hub, question, now) in refused.items():
        with pytest.raises(NotInvitedException, match=why):
            check_invited(joining.founder, hub, question, now)
    assert check_invited(joining.founder, "b", asked, last - timedelta(seconds=1))
    admitted = admit(joining.founder, "b", asked, NOW)
    with pytest.raises(NotInvitedException, match="was used"):
        check_invited(joining.founder, "b", ask(invitation)[2], NOW)
    with pytest.raises(NotInvitedException, match="is not hub 'a''s"):
        check_admitted(invitation, asked, structs.replace(admitted, engine_token="other"))
    with pytest.raises(NotInvitedException, match="is not hub 'a''s"):
        check_admitted(invitation, ask(invitation)[2], admitted)


async def test_a_hub_that_is_removed_or_invited_anew_while_it_is_let_in_is_no_member(tmp_path: Path) -> None:
    joining = Joining(tmp_path)
    meanwhile = (lambda: bar(joining.founder, "b"), lambda: invite(joining.founder, "b", NOW))
    clock = FakeClock()
    for happens in meanwhile:
        _, asked = joining.asks()
        written: list[object] = []

        def append(transaction: Transaction, happens=happens, written=written) -> Answer[int]:
            if not written:
                happens()
            written.extend(transaction.changes)
            return Answer.of(1)

        admitting = Admitting(joining.founder, append, clock)
        said = await admitting._answer(f"{JOINING}.b", msgspec.json.encode(asked))
        assert said is not None
        assert "invitation" in msgspec.json.decode(said)["refused"]
        assert written == [AddMember("b", asked.key, clock.now()), RemoveMember("b")]
        assert not joining.founder.read_engine_users().of_hubs


def test_invitations_that_are_made_at_once_are_all_good(tmp_path: Path) -> None:
    """The hub makes some, and commands beside it others."""
    founder, hubs = Joining(tmp_path).founder, [f"h{number}" for number in range(16)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda hub: invite(founder, hub, NOW), hubs))
    assert sorted(founder.read_engine_users().invited) == sorted(hubs)


def _signed(invitation: Invitation, asked: Asked) -> Asked:
    ticket, own = Ed25519PrivateKey.from_seed(invitation.ticket), invitation.identity
    return structs.replace(asked, signature=ticket.sign(as_asked(own, own.hub, asked)))


def test_a_hub_that_is_barred_has_no_credential_that_counts_and_the_operator_of_servers_stays(tmp_path: Path) -> None:
    joining = Joining(tmp_path)
    _, asked = joining.asks()
    admit(joining.founder, "b", asked, NOW)
    config = joining.founder.directory / ENGINE_CONFIG
    before = config.read_text().splitlines()
    assert bar(joining.founder, "b")
    assert not bar(joining.founder, "b")
    after = config.read_text().splitlines()
    # Servers that run take no other operator.
    assert before[0] == after[0]
    barred = {key_text(Kind.USER, Ed25519PublicKey(asked.engine_key)): FOR_EVER}
    accounts = [_claims(line.split(": ")[1]) for line in after if ": eyJ" in line][1:]
    assert [claims["nats"]["revocations"] for claims in accounts] == [barred, barred]


def _claims(token: str) -> dict:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


@in_one_test("hub", ["", "A", "a.b", "a>", "*", "-a", "a" * 33, "a b"])
def test_an_id_that_could_mean_more_than_one_hub_to_the_engine_is_refused(hub: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigException, match="no id for a hub"):
        found(ClusterFiles(tmp_path), hub, SERVERS, NOW)


@in_one_test("line", ["", "omnyhub-", "omnyhub-%%%", "omnyhub-eJwDAAAAAAE", "x" * 5000])
def test_what_is_no_invitation_is_refused(line: str) -> None:
    with pytest.raises(ConfigException, match="no whole invitation"):
        read_invitation(line)


def test_a_credential_of_the_engine_lets_a_hub_write_under_its_own_name_alone() -> None:
    keys, key = EngineKeys.generate(), Ed25519PrivateKey.generate()
    token = hub_access(keys, "b", key.public_key, NOW)
    head, body, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    assert json.loads(head)["alg"] == "ed25519-nkey"
    claims = json.loads(body)
    assert (claims["sub"], claims["iss"]) == (
        key_text(Kind.USER, key.public_key),
        key_text(Kind.ACCOUNT, keys.account.public_key),
    )
    assert keys.account.public_key.verify(signature, token.rpartition(".")[0].encode())
    assert claims["nats"]["pub"]["allow"] == [
        "omnyshell.*.truth.b",
        "omnyshell.*.places.b.>",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.STREAM.MSG.GET.*",
        *(f"$JS.API.CONSUMER.CREATE.*.b_{number}" for number in range(8)),
        *(f"$JS.FC.*.b_{number}.>" for number in range(8)),
    ]
    assert claims["nats"]["sub"]["allow"] == ["_INBOX_b.>"]


def test_a_record_counts_at_its_place_and_for_its_hub_alone() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    raw = sign(key, "g", 7, "a", b"body", b"before")
    record = opened(raw, key.public_key, "g", 7, "a")
    assert (record.body, record.after) == (b"body", b"before")
    behind_another = msgspec.json.encode(structs.replace(record, after=b"another"))
    with pytest.raises(ValueError, match="signature"):
        opened(behind_another, key.public_key, "g", 7, "a")
    for wrong in ((other, "g", 7, "a"), (key, "h", 7, "a"), (key, "g", 8, "a"), (key, "g", 7, "b")):
        with pytest.raises(ValueError, match="signature"):
            opened(raw, wrong[0].public_key, *wrong[1:])
    with pytest.raises(ValueError, match="signature"):
        opened(msgspec.json.encode(structs.replace(record, after=b"")), key.public_key, "g", 7, "a")
    for raw in (b"", b"[]", b'{"body":"","signature":"","more":1}'):
        with pytest.raises(ValueError, match="no record"):
            opened(raw, key.public_key, "g", 7, "a")


def test_a_record_that_does_not_name_the_one_before_it_is_as_those_of_hubs_that_did_not_do_so_yet() -> None:
    key = Ed25519PrivateKey.generate()
    words = [b"omnyshell-cluster-record-1", b"g", b"7", b"a", b"body"]
    signature = key.sign(b"".join(len(word).to_bytes(4, "big") + word for word in words))
    raw = b'{"body":"Ym9keQ==","signature":"%s"}' % base64.b64encode(signature)
    assert opened(raw, key.public_key, "g", 7, "a").body == b"body"
    assert sorted(msgspec.json.decode(sign(key, "g", 7, "a", b"body"))) == ["body", "signature"]


@in_one_test("seed", range(5))
def test_the_beginning_of_a_log_makes_the_same_of_other_tables(seed: int) -> None:
    with closing(StateFile(None)) as one, closing(StateFile(None)) as other:
        log, made = SqliteLog(one), Made(seed)
        for _ in range(300):
            log.append(made.transaction()).then(lambda _: None, lambda _: None)
        log.append(together(*(SetLabels(f"n{number}", {"text": "x" * 2000}) for number in range(100)))).now()
        begun = genesis(one, AddMember("a", b"k" * 32, NOW))
        assert begun == genesis(one, AddMember("a", b"k" * 32, NOW))
        assert len(begun) > 2
        assert max(len(transaction.encode()) for transaction in begun) < 2 * LARGEST
        copy = SqliteLog(other, "g")
        for transaction in begun:
            copy.append(Transaction.decode(transaction.encode())).now()
        assert held(other) == held(one)


@in_one_test(
    ("url", "flaw"),
    [
        ("tls://nats.example:4222", ""),
        ("nats://127.0.0.1:4222", ""),
        ("nats://[::1]:4222", ""),
        ("nats://nats.example:4222", "in the clear"),
        ("https://nats.example:4222", "no server"),
        ("tls://nats.example", "no server"),
        ("tls://user@nats.example:4222", "no server"),
        ("tls://nats.example:x", "no URL"),
        ("", "no server"),
    ],
)
def test_a_server_of_the_engine_is_reached_over_tls_or_on_this_machine(url: str, flaw: str) -> None:
    assert flaw in flaw_of_engine(url)
    assert bool(flaw_of_engine(url)) is bool(flaw)
