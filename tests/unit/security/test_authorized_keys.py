import base64
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.security.authorized_keys import AuthorizedKey, AuthorizedKeysStore, parse_authorized_keys, split_roles
from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey, encode_base64
from omnyshell.security.public_keys import SecurityKey

ONE, TWO = Ed25519PublicKey(b"\x01" * 32), Ed25519PublicKey(b"\xfe" * 32)
A, B = ONE.to_base64(), TWO.to_base64()


def test_every_form_of_a_line():
    text = (
        "# a comment\r\n"
        f"alice {A} admin,dev Alice B. Example\r\n"
        "\n"
        "lonely\n"
        f"  # indented {A}\n"
        f"\talice\t{base64.urlsafe_b64encode(TWO.raw).decode()}   ,dev,,\n"
        f"bob {B}\n"
        f"carol {A} #dev # not a comment"
    )
    assert parse_authorized_keys(text) == [
        AuthorizedKey("alice", ONE, frozenset({"admin", "dev"}), "Alice B. Example"),
        AuthorizedKey("alice", TWO, frozenset({"dev"})),
        AuthorizedKey("bob", TWO),
        AuthorizedKey("carol", ONE, frozenset({"#dev"}), "# not a comment"),
    ]


@in_one_test("key", ["nonsense", A[:-1], A + "==", "AAAA", "ssh-ed25519"])
def test_one_wrong_key_fails_the_file(key):
    with pytest.raises(ConfigException, match=r"^keys, line 3: "):
        parse_authorized_keys(f"alice {A}\n\nbob {key} dev\ncarol {A}\n", source="keys")


WORD = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
PRINCIPAL = WORD.filter(lambda word: not word.startswith("#"))
ROLE = WORD.filter(lambda word: "," not in word)
SPACE = st.sampled_from([" ", "\t", "   ", " \t "])
ENTRY = st.builds(
    AuthorizedKey,
    PRINCIPAL,
    st.binary(min_size=32, max_size=32).map(Ed25519PublicKey),
    st.frozensets(ROLE, min_size=1, max_size=3),
    st.lists(WORD, max_size=3).map(" ".join),
)
NOISE = st.one_of(st.just(""), st.just("   "), WORD.map("# {}".format), PRINCIPAL)


@given(st.lists(st.tuples(ENTRY, SPACE, NOISE)), st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read(entries, newline):
    lines = []
    for entry, space, noise in entries:
        fields = [entry.principal, entry.public_key.to_base64(), ",".join(entry.roles), *entry.display_name.split()]
        lines += [space.join(fields), noise]
    assert parse_authorized_keys(newline.join(lines)) == [entry for entry, _, _ in entries]


PIECE = st.sampled_from([*"ab#, \t\r\n\n=+/-_", "\ufeff", "\u2028", "\x00", A, f"\nalice {B} "])


@given(st.lists(PIECE, max_size=40).map("".join))
def test_any_text_is_entries_or_an_error_with_a_line(text):
    lines = [line.split() for line in text.split("\n")]
    candidates = [fields for fields in lines if len(fields) > 1 and not fields[0].startswith("#")]
    if all(fields[1] in {A, A + "=", B, B + "="} for fields in candidates):
        entries = parse_authorized_keys(text)
        assert [entry.principal for entry in entries] == [fields[0] for fields in candidates]
        assert all("" not in entry.roles for entry in entries)
    else:
        with pytest.raises(ConfigException, match=r"line \d+"):
            parse_authorized_keys(text)


@given(st.lists(st.text(alphabet="ab ", max_size=4)))
def test_roles_are_trimmed(names):
    assert split_roles(",".join(names)) == {name.strip() for name in names} - {""}


def test_find_needs_principal_and_key():
    first = AuthorizedKey("alice", ONE, frozenset({"dev"}))
    store = AuthorizedKeysStore([first, AuthorizedKey("alice", ONE, frozenset({"ops"})), AuthorizedKey("bob", TWO)])
    assert store.find("alice", ONE) is first
    assert store.find("alice", TWO) is None
    assert store.find("eve", ONE) is None
    assert first.as_principal() == Principal("alice", frozenset({"dev"}))
    assert AuthorizedKeysStore().find("alice", ONE) is None


def test_reload_keeps_what_it_has_when_the_file_is_wrong(tmp_path):
    path = tmp_path / "authorized_keys"
    path.write_text(f"\ufeffalice {A} dev\n", encoding="utf-8")
    store = AuthorizedKeysStore.from_file(path)
    assert store.find("alice", ONE) is not None
    path.write_text(f"bob {B}\nalice {A[:-3]}\n")
    with pytest.raises(ConfigException, match=f"{path}, line 2"):
        store.reload()
    path.write_bytes(f"bob {B}\n\nx \xff\n".encode("latin-1"))
    with pytest.raises(ConfigException, match=f"{path}, line 3: not UTF-8"):
        store.reload()
    path.unlink()
    with pytest.raises(ConfigException, match="cannot read"):
        store.reload()
    assert [entry.principal for entry in store.entries] == ["alice"]
    assert store.find("alice", ONE) is not None
    path.write_text(f"bob {B}\n")
    store.reload()
    assert store.find("alice", ONE) is None
    assert store.find("bob", TWO) is not None


def test_reload_without_a_file_changes_nothing():
    store = AuthorizedKeysStore([AuthorizedKey("alice", ONE)])
    store.reload()
    assert store.find("alice", ONE) is not None


def test_missing_file(tmp_path):
    with pytest.raises(ConfigException, match="cannot read"):
        AuthorizedKeysStore.from_file(tmp_path / "none")


def test_keys_are_kept_in_the_form_they_are_shown():
    assert encode_base64(ONE.raw) == A


def test_a_file_that_was_edited_says_whose_keys_have_changed(tmp_path: Path) -> None:
    path = tmp_path / "authorized_keys"
    lines = [f"user{number} {Ed25519PrivateKey.generate().public_key.to_base64()} dev" for number in range(5)]
    path.write_text("\n".join(lines))
    store = AuthorizedKeysStore.from_file(path)
    kept = store.entries
    assert store.reload() == frozenset()
    lines[1] += ",ops"
    lines[2] = "# gone"
    lines.append(f"user3 {Ed25519PrivateKey.generate().public_key.to_base64()} dba")
    lines.append(f"new {Ed25519PrivateKey.generate().public_key.to_base64()}")
    path.write_text("\n".join(lines))
    assert store.reload() == {"user1", "user2", "user3", "new"}
    fresh = AuthorizedKeysStore(parse_authorized_keys(path.read_text()))
    assert {entry.principal: store.of(entry.principal) for entry in store.entries} == {
        entry.principal: fresh.of(entry.principal) for entry in fresh.entries
    }
    for entry in (*kept, *store.entries):
        assert store.find(entry.principal, entry.public_key) == fresh.find(entry.principal, entry.public_key)
    assert store.of(PrincipalId("user0"))[0] is kept[0]
    path.write_text("user0 nonsense dev")
    with pytest.raises(ConfigException):
        store.reload()
    assert store.of(PrincipalId("user0"))[0] is kept[0]


SK_LINE = (
    "sk-ssh-ed25519@openssh.com "
    "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAAAABHNzaDo="
)
SK = SecurityKey(b"\x01" * 32, "ssh:")
PLAIN_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"


def test_keys_as_openssh_writes_them():
    text = (
        f"alice {PLAIN_LINE} admin Alice Example\n"
        f"alice {SK_LINE} admin,dev Alice  by her token\n"
        f"bob verify-required {SK_LINE}\n"
        f"bob {SK_LINE}\n"
    )
    assert parse_authorized_keys(text) == [
        AuthorizedKey("alice", ONE, frozenset({"admin"}), "Alice Example"),
        AuthorizedKey("alice", SK, frozenset({"admin", "dev"}), "Alice by her token"),
        AuthorizedKey("bob", SK, must_verify=True),
        AuthorizedKey("bob", SK),
    ]
    store = AuthorizedKeysStore(parse_authorized_keys(text))
    # The same 32 bytes, but not the same key.
    assert store.find(PrincipalId("alice"), ONE).public_key == ONE
    assert store.find(PrincipalId("alice"), SK).display_name == "Alice by her token"
    assert store.find(PrincipalId("alice"), SecurityKey(b"\x01" * 32, "ssh:other")) is None
    assert store.find(PrincipalId("bob"), ONE) is None


@in_one_test(
    ("line", "why"),
    [
        (f"alice verify-required {A}", "verify-required is said of keys of the type sk-ssh"),
        (f"alice verify-required {PLAIN_LINE}", "verify-required is said of keys of the type sk-ssh"),
        ("alice verify-required", "no Ed25519 key"),
        (f"alice {SK_LINE[:-9]}", "no whole sk-ssh-ed25519@openssh.com key"),
        (f"alice {SK_LINE.replace('sk-ssh', 'ssh').replace('@openssh.com', '')}", "no whole ssh-ed25519 key"),
        (f"alice sk-ssh-ed25519@openssh.com {PLAIN_LINE.split()[1]}", "no whole sk-ssh-ed25519@openssh.com key"),
    ],
)
def test_wrong_lines_with_types_are_told(line, why):
    with pytest.raises(ConfigException, match=f"^keys, line 1: .*{why}"):
        parse_authorized_keys(line, source="keys")
