import base64
import dataclasses
import hashlib
import json
import logging
import stat
import struct

import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.security import machine
from omnyshell.security.cert_generator import CertGenerator
from omnyshell.security.certificates import CertificateIdentity
from omnyshell.security.identity import OmnyUid, UidComputer
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.security.machine import MachineFacts, MachineId, arch_name, os_name, parse_ioreg
from omnyshell.security.uid_store import MAX_RETIRED, UidStore

FACTS = MachineFacts(machine_id="0123456789abcdef0123456789abcdef", os="linux", arch="x64", hostname="köln-1")


def expected(prefix, *fields):
    data = b"".join(struct.pack(">I", len(part)) + part for part in fields)
    return prefix + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


TEXTS = (b"0123456789abcdef0123456789abcdef", b"linux", b"x64", "köln-1".encode())


def test_node_uid():
    key = bytes(range(32))
    computed = UidComputer(FACTS).node(Ed25519PublicKey(key))
    assert str(computed) == expected("nod_", b"omnyshell:node:v1", key, *TEXTS)
    assert not computed.is_hub


def test_node_uid_without_key_or_machine_id():
    assert UidComputer(FACTS).node(None).value == expected("nod_", b"omnyshell:node:v1", b"", *TEXTS)
    nowhere = dataclasses.replace(FACTS, machine_id="")
    assert UidComputer(nowhere).node(None).value == expected("nod_", b"omnyshell:node:v1", b"", b"", *TEXTS[1:])


def test_a_constant_computed_elsewhere():
    # printf '\0\0\0\021omnyshell:node:v1\0\0\0\0\0\0\0\001m\0\0\0\005linux\0\0\0\003x64\0\0\0\001h' |
    # openssl sha256 -binary | base64 | tr '+/' '-_'
    facts = MachineFacts(machine_id="m", os="linux", arch="x64", hostname="h")
    assert UidComputer(facts).node(None).value == "nod_j9yrgbxQ9Rxzj0vnlNCimKOT8L04LYa9FHJ_RkZWKTU"


def test_hub_uid_follows_the_key_in_the_certificate(tmp_path):
    identity = CertificateIdentity.from_pem(CertGenerator().generate(tmp_path, ["hub"]).hub_pem)
    computed = UidComputer(FACTS).hub(identity.der)
    assert computed.value == expected("hub_", b"omnyshell:hub:v1", identity.spki_der, *TEXTS)
    assert computed.is_hub
    renewed = CertGenerator().generate(tmp_path, ["hub", "other"], keep_key=True)
    assert UidComputer(FACTS).hub(CertificateIdentity.from_pem(renewed.hub_pem).der) == computed


def test_hub_uid_of_a_certificate_without_a_key_to_find():
    assert UidComputer(FACTS).hub(b"opaque").value == expected("hub_", b"omnyshell:hub:v1", b"opaque", *TEXTS)


@in_one_test("text", ["", "nod_", "usr_abc", "nod_a/b", "nod_abc\n", "NOD_abc"])
def test_uid_that_is_none(text):
    with pytest.raises(ValueError, match="not a UID"):
        OmnyUid(text)


def test_machine_id_of_linux(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.sys, "platform", "linux")
    assert MachineId.read(tmp_path) == ""
    (tmp_path / "etc").mkdir()
    (tmp_path / "var/lib/dbus").mkdir(parents=True)
    (tmp_path / "var/lib/dbus/machine-id").write_text("DBUS\n")
    assert MachineId.read(tmp_path) == "dbus"
    (tmp_path / "etc/machine-id").write_text(" \n")
    assert MachineId.read(tmp_path) == "dbus"
    (tmp_path / "etc/machine-id").write_text("  ABCdef\n")
    assert MachineId.read(tmp_path) == "abcdef"
    (tmp_path / "etc/machine-id").write_bytes(b"\xff\xfe")
    assert isinstance(MachineId.read(tmp_path), str)


def test_machine_id_of_macos(monkeypatch):
    output = '+-o Root\n  "IOPlatformSerialNumber" = "X"\n  "IOPlatformUUID" = "ABCD-EF01"\n'
    assert parse_ioreg(output) == "ABCD-EF01"
    assert parse_ioreg("nothing") == ""
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    monkeypatch.setattr(machine, "_macos_uuid", lambda: parse_ioreg(output))
    assert MachineId.read() == "abcd-ef01"


def test_machine_id_that_cannot_be_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    monkeypatch.setattr(machine, "_IOREG", (str(tmp_path / "no-such-program"),))
    assert MachineId.read() == ""


@in_one_test(
    ("system", "name"),
    [("Linux", "linux"), ("Darwin", "macos"), ("Windows", "windows"), ("FreeBSD", "freebsd")],
)
def test_os_names(system, name):
    assert os_name(system) == name


@in_one_test(
    ("reported", "name"),
    [
        ("x86_64", "x64"),
        ("AMD64", "x64"),
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
        ("ARM64", "arm64"),
        ("i386", "ia32"),
        ("i686", "ia32"),
        ("x86", "ia32"),
        ("armv6l", "arm"),
        ("armv7l", "arm"),
        ("armv8l", "arm"),
        ("riscv64", "riscv64"),
        ("s390x", "s390x"),
    ],
)
def test_arch_names(reported, name):
    assert arch_name(reported, is_64_bit=True) == name


def test_arch_of_a_32_bit_process():
    assert arch_name("x86_64", is_64_bit=False) == "ia32"
    assert arch_name("aarch64", is_64_bit=False) == "arm"
    assert arch_name("armv7l", is_64_bit=False) == "arm"


def test_facts_of_this_machine():
    facts = MachineFacts.read()
    assert facts.os in {"linux", "macos", "windows"}
    assert facts.hostname
    assert facts.machine_id == facts.machine_id.strip().lower()


ONE, TWO, THREE = OmnyUid("nod_one"), OmnyUid("nod_two"), OmnyUid("nod_three")


@pytest.fixture
def store(tmp_path, clock):
    return UidStore.for_node(tmp_path / "state", "web-1", clock)


def test_first_start_and_the_next(store, tmp_path, caplog):
    first = store.resolve(ONE)
    again = store.resolve(ONE)
    for resolution in (first, again):
        assert (resolution.uid, resolution.changed, resolution.previous) == (ONE, False, None)
    path = tmp_path / "state" / "uid-node-web-1.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"uid": "nod_one", "computedAt": "2031-05-04T12:00:00.250Z", "retired": []}
    assert not caplog.records


def test_a_change_is_kept_and_loud(store, clock, caplog):
    store.resolve(ONE)
    clock.advance(60)
    resolution = store.resolve(TWO)
    assert (resolution.uid, resolution.changed, resolution.previous) == (TWO, True, ONE)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "nod_one" in record.getMessage()
    assert "nod_two" in record.getMessage()
    assert store.read().to_wire() == {
        "uid": "nod_two",
        "computedAt": "2031-05-04T12:01:00.250Z",
        "retired": [
            {
                "uid": "nod_one",
                "computedAt": "2031-05-04T12:00:00.250Z",
                "retiredAt": "2031-05-04T12:01:00.250Z",
            }
        ],
    }
    assert store.resolve(TWO).changed is False


def test_a_uid_that_returns_is_no_longer_retired(store):
    for uid in (ONE, TWO, THREE, ONE):
        store.resolve(uid)
    assert [old.uid for old in store.read().retired] == ["nod_two", "nod_three"]


def test_the_list_of_retired_ones_is_bounded(store):
    for number in range(MAX_RETIRED + 5):
        store.resolve(OmnyUid(f"nod_{number}"))
    retired = store.read().retired
    assert len(retired) == MAX_RETIRED
    assert retired[-1].uid == f"nod_{MAX_RETIRED + 3}"


@in_one_test(
    "content",
    [
        b"", b"{", b"[]", b"\xff", b'{"uid": 5}', b'{"uid": "nod_one"}', b"[" * 100_000,
        b'{"uid": "other", "computedAt": "2031-05-04T12:00:00Z"}',
        b'{"uid": "nod_one", "computedAt": "yesterday"}',
        b'{"uid": "nod_one", "computedAt": "2031-05-04T12:00:00Z", "retired": [{}]}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, clock, content):
    path = tmp_path / "uid.json"
    path.write_bytes(content)
    with pytest.raises(ConfigException, match=f"{path} is damaged"):
        UidStore(path, clock).resolve(ONE)
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_read(tmp_path, clock):
    with pytest.raises(ConfigException, match="cannot read"):
        UidStore(tmp_path, clock).read()


def test_one_file_for_each_node_and_one_for_the_hub(tmp_path, clock):
    UidStore.for_node(tmp_path, "a", clock).resolve(ONE)
    UidStore.for_node(tmp_path, "..", clock).resolve(TWO)
    UidStore.for_hub(tmp_path, clock).resolve(OmnyUid("hub_one"))
    assert len(list(tmp_path.iterdir())) == 3
    with pytest.raises(ValueError, match="not a node id"):
        UidStore.for_node(tmp_path, "../a", clock)
