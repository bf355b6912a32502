import hashlib
import ipaddress
import ssl
import stat
from contextlib import suppress
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.clock import SystemClock
from omnyshell.errors import CertGeneratorException
from omnyshell.security.cert_generator import CertGenerator
from omnyshell.security.certificates import CertificateIdentity, spki_of_der, spki_sha256_of_der
from omnyshell.security.files import write_private
from omnyshell.security.host_names import host_to_general_name

HUB_FILES = ("ca.pem", "ca.key", "hub.pem", "hub.key")
TUNNEL_FILES = ("tunnel-ca.pem", "tunnel-ca.key", "tunnel.pem", "tunnel.key")

HOSTS = ["hub.example.com", "*.wild.example", "localhost", "127.0.0.1", "::1", "[2001:db8::7]", "Bücher.example"]


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return CertGenerator().generate(tmp_path_factory.mktemp("certs"), HOSTS)


def pump(source, sink):
    data = source.read()
    if data:
        sink.write(data)
    return bool(data)


def handshake(made, host):
    """A TLS handshake in memory, as strict as OpenSSL can be; returns the client's side of it."""
    client_context = ssl.create_default_context(cafile=str(made.ca_pem_path))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(made.hub_pem_path, made.hub_key_path)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
        if not waiting:
            return client
    raise AssertionError("the handshake does not end")


@in_one_test(
    "host",
    ["hub.example.com", "a.wild.example", "localhost", "127.0.0.1", "::1", "2001:db8::7", "bücher.example"],
)
def test_strict_handshake(generated, host):
    leaf = handshake(generated, host).getpeercert(binary_form=True)
    identity = CertificateIdentity.from_file(generated.hub_pem_path)
    assert leaf == identity.der
    assert spki_sha256_of_der(leaf) == identity.spki_sha256


@in_one_test("host", ["other.example.com", "wild.example", "a.b.wild.example", "127.0.0.2", "::2"])
def test_other_hosts_are_refused(generated, host):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(generated, host)


def test_profile(generated):
    leaf, authority = x509.load_pem_x509_certificates(generated.hub_pem)
    assert x509.load_pem_x509_certificate(generated.ca_pem) == authority
    for certificate, is_ca in ((leaf, False), (authority, True)):
        assert isinstance(certificate.public_key().curve, ec.SECP256R1)
        extensions = certificate.extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints)
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        assert constraints.critical
        assert usage.critical
        assert constraints.value.ca is usage.value.key_cert_sign is is_ca
        assert usage.value.digital_signature is not is_ca
        key_id = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        assert key_id == authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        certificate.verify_directly_issued_by(authority)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        x509.oid.ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert leaf.subject != leaf.issuer == authority.subject
    assert leaf.serial_number != authority.serial_number


def test_validity(tmp_path, clock):
    made = CertGenerator(clock=clock).generate(tmp_path, ["hub"])
    start = clock.now().replace(microsecond=0) - timedelta(minutes=5)
    leaf, authority = CertificateIdentity.from_pem(made.hub_pem), CertificateIdentity.from_pem(made.ca_pem)
    assert (leaf.not_before, leaf.not_after) == (start, start + timedelta(days=825))
    assert (authority.not_before, authority.not_after) == (start, start + timedelta(days=3650))
    clock.advance(timedelta(days=3600).total_seconds())
    renewed = CertificateIdentity.from_pem(CertGenerator(clock=clock).generate(tmp_path, ["hub"]).hub_pem)
    assert renewed.not_after == authority.not_after
    clock.advance(timedelta(days=60).total_seconds())
    with pytest.raises(CertGeneratorException, match="valid until 2041-05-01"):
        CertGenerator(clock=clock).generate(tmp_path, ["hub"])


def test_files_are_private(tmp_path):
    made = CertGenerator().generate(tmp_path / "new" / "certs", ["hub"])
    directory = tmp_path / "new" / "certs"
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in directory.iterdir()}
    assert modes == dict.fromkeys([*HUB_FILES, *TUNNEL_FILES], 0o600)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert made.hub_pem_path.read_bytes() == made.hub_pem
    assert made.hub_key_path.read_bytes() == made.hub_key
    assert made.ca_key_path.read_bytes() == made.ca_key
    assert made.hub_pem.endswith(made.ca_pem)
    for key in (made.ca_key, made.hub_key):
        assert key.startswith(b"-----BEGIN PRIVATE KEY-----")
        assert key.decode() not in repr(made)
        assert "PRIVATE" not in repr(made)


def test_second_generation_keeps_the_authority(tmp_path):
    first = CertGenerator().generate(tmp_path, ["old"])
    second = CertGenerator().generate(tmp_path, ["new"])
    assert (first.ca_is_new, second.ca_is_new) == (True, False)
    assert second.ca_pem == first.ca_pem
    assert load_pem_private_key(second.ca_key, None).private_numbers() == (
        load_pem_private_key(first.ca_key, None).private_numbers()
    )
    old, new = CertificateIdentity.from_pem(first.hub_pem), CertificateIdentity.from_pem(second.hub_pem)
    assert new.names == ("new",)
    assert new.issuer == old.issuer
    assert new.spki_der != old.spki_der
    handshake(second, "new")


def test_the_hubs_key_can_be_kept(tmp_path):
    first = CertGenerator().generate(tmp_path, ["hub"], keep_key=True)
    second = CertGenerator().generate(tmp_path, ["hub", "also"], keep_key=True)
    old, new = CertificateIdentity.from_pem(first.hub_pem), CertificateIdentity.from_pem(second.hub_pem)
    assert old.spki_der == new.spki_der
    assert old.fingerprint != new.fingerprint
    handshake(second, "also")


def test_two_authorities_have_two_names(tmp_path):
    one = CertGenerator().generate(tmp_path / "1", ["hub"])
    two = CertGenerator().generate(tmp_path / "2", ["hub"])
    assert CertificateIdentity.from_pem(one.ca_pem).subject != CertificateIdentity.from_pem(two.ca_pem).subject
    write_private(two.ca_pem_path, one.ca_pem)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(two, "hub")


def contents(directory):
    return {entry.name: entry.read_bytes() for entry in directory.iterdir()}


def test_tunnels_get_a_pair_of_their_own_for_the_same_hosts(tmp_path):
    made = CertGenerator().generate(tmp_path, HOSTS)
    hub, tunnels = CertificateIdentity.from_pem(made.hub.pem), CertificateIdentity.from_pem(made.tunnels.pem)
    assert hub.names == tunnels.names
    assert hub.issuer != tunnels.issuer
    assert hub.spki_der != tunnels.spki_der
    authorities = [CertificateIdentity.from_pem(pair.ca_pem) for pair in (made.hub, made.tunnels)]
    assert authorities[0].spki_der != authorities[1].spki_der
    assert made.tunnels.pem_path.read_bytes() == made.tunnels.pem
    assert made.tunnels.key_path.read_bytes() == made.tunnels.key
    write_private(made.hub_pem_path, made.tunnels.pem)
    write_private(made.hub_key_path, made.tunnels.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, "localhost")
    write_private(made.ca_pem_path, made.tunnels.ca_pem)
    handshake(made, "localhost")


def test_a_directory_of_0_1_0_gets_the_tunnels_pair_and_keeps_the_rest(tmp_path):
    first = CertGenerator().generate(tmp_path, ["hub"], keep_key=True)
    for name in TUNNEL_FILES:
        (tmp_path / name).unlink()
    before = contents(tmp_path)
    second = CertGenerator().generate(tmp_path, ["hub"], keep_key=True)
    assert (second.hub.ca_is_new, second.tunnels.ca_is_new) == (False, True)
    after = contents(tmp_path)
    assert after.keys() == {*HUB_FILES, *TUNNEL_FILES}
    assert all(after[name] == before[name] for name in ("ca.pem", "ca.key", "hub.key"))
    third = CertGenerator().generate(tmp_path, ["hub"], keep_key=True)
    assert (third.tunnels.ca_pem, third.tunnels.key) == (second.tunnels.ca_pem, second.tunnels.key)
    assert third.tunnels.pem != second.tunnels.pem
    assert first.hub_key == third.hub_key


def test_what_is_the_hubs_never_becomes_the_tunnels(tmp_path):
    made = CertGenerator().generate(tmp_path, ["hub"], keep_key=True)
    for key in (made.hub_key, made.ca_key):
        write_private(made.tunnels.key_path, key)
        renewed = CertGenerator().generate(tmp_path, ["hub"], keep_key=True)
        assert renewed.tunnels.key not in (made.hub_key, made.ca_key)
    write_private(made.tunnels.ca_pem_path, made.ca_pem)
    write_private(made.tunnels.ca_key_path, made.ca_key)
    before = contents(tmp_path)
    with pytest.raises(CertGeneratorException, match="is the hub's authority too"):
        CertGenerator().generate(tmp_path, ["hub"], keep_key=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["tunnel.pem", "tunnel.key"])
def test_a_tunnels_pair_from_elsewhere_is_left_alone(tmp_path, name):
    CertGenerator().generate(tmp_path, ["hub"])
    for other in TUNNEL_FILES:
        if other != name:
            (tmp_path / other).unlink()
    before = contents(tmp_path)
    with pytest.raises(CertGeneratorException, match=f"{name} was not made here"):
        CertGenerator().generate(tmp_path, ["hub"])
    assert contents(tmp_path) == before


def foreign_key_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def damage_half(made):
    made.ca_key_path.unlink()


def damage_the_tunnels_half(made):
    made.tunnels.ca_key_path.unlink()


def damage_other_half(made):
    made.ca_pem_path.unlink()


def damage_key(made):
    write_private(made.ca_key_path, b"nonsense")


def damage_certificate(made):
    write_private(made.ca_pem_path, b"nonsense")


def exchange_key(made):
    write_private(made.ca_key_path, foreign_key_pem(ec.generate_private_key(ec.SECP256R1())))


def exchange_for_rsa(made):
    write_private(made.ca_key_path, foreign_key_pem(rsa.generate_private_key(65537, 2048)))


def put_the_leaf_in_its_place(made):
    write_private(made.ca_pem_path, made.hub_pem)
    write_private(made.ca_key_path, made.hub_key)


def open_the_key(made):
    made.ca_key_path.chmod(0o644)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (damage_half, "ca.key is missing"),
        (damage_the_tunnels_half, "tunnel-ca.key is missing"),
        (damage_other_half, "ca.pem is missing"),
        (damage_key, "ca.key holds no private key"),
        (damage_certificate, "ca.pem holds no certificate"),
        (exchange_key, "do not belong together"),
        (exchange_for_rsa, "no elliptic-curve key"),
        (put_the_leaf_in_its_place, "not the certificate of an authority"),
        (open_the_key, "chmod 600"),
    ],
)
def test_an_authority_that_is_not_whole_is_refused(tmp_path, damage, text):
    made = CertGenerator().generate(tmp_path, ["hub"])
    damage(made)
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    with pytest.raises(CertGeneratorException, match=text):
        CertGenerator().generate(tmp_path, ["hub"])
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CertGeneratorException, match="cannot write"):
        CertGenerator().generate(tmp_path / "file" / "certs", ["hub"])


@in_one_test(
    ("host", "value"),
    [
        ("hub.example.com", "hub.example.com"),
        ("Hub.Example.COM.", "hub.example.com"),
        (" hub ", "hub"),
        ("*.example.com", "*.example.com"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("_dmarc.example", "_dmarc.example"),
        ("10.0.0.1", ipaddress.ip_address("10.0.0.1")),
        ("::1", ipaddress.ip_address("::1")),
        ("[2001:DB8::1]", ipaddress.ip_address("2001:db8::1")),
    ],
)
def test_hosts(host, value):
    assert host_to_general_name(host).value == value


@in_one_test(
    "host",
    [
        "", " ", ".", "a..b", "-a", "a-", "*", "*.", "a.*.b", "*a.b", "hub:8443", "[::1]:8443", "https://hub",
        "hub/path", "[hub]", "256.1.1.1", "10.1", "a b", "a\x00b", "x" * 64, ".".join(["x" * 60] * 5), "fe80::1%eth0",
        "ü" * 80,
    ],
)  # fmt: skip
def test_hosts_that_are_none(host):
    with pytest.raises(CertGeneratorException):
        host_to_general_name(host)


@given(st.text(max_size=30))
def test_any_host_is_a_name_or_an_error(host):
    try:
        value = host_to_general_name(host).value
    except CertGeneratorException:
        return
    assert str(value).isascii()


def test_no_hosts_and_repeated_hosts(tmp_path):
    with pytest.raises(CertGeneratorException, match="at least one host"):
        CertGenerator().generate(tmp_path, [])
    assert not list(tmp_path.iterdir())
    made = CertGenerator().generate(tmp_path, ["hub", "HUB", "::1", "[::1]", "0::1"])
    assert CertificateIdentity.from_pem(made.hub_pem).names == ("hub", "::1")


def test_a_first_host_longer_than_a_common_name(tmp_path):
    long = ".".join(["x" * 40] * 3)
    made = CertGenerator().generate(tmp_path, [long])
    identity = CertificateIdentity.from_pem(made.hub_pem)
    assert (identity.subject, identity.names) == ("CN=OmnyShell hub", (long,))
    handshake(made, long)


def test_identity(generated):
    certificate = x509.load_pem_x509_certificate(generated.hub_pem)
    der = certificate.public_bytes(Encoding.DER)
    identity = CertificateIdentity.from_file(generated.hub_pem_path)
    assert identity == CertificateIdentity.from_der(der) == CertificateIdentity.from_pem(generated.hub_pem.decode())
    assert identity.subject == "CN=hub.example.com"
    assert identity.issuer == CertificateIdentity.from_pem(generated.ca_pem).subject
    assert identity.names == (
        "hub.example.com", "*.wild.example", "localhost", "127.0.0.1", "::1", "2001:db8::7", "xn--bcher-kva.example",
    )  # fmt: skip
    assert identity.fingerprint == "sha256:" + hashlib.sha256(der).hexdigest()
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert identity.spki_der == spki == spki_of_der(der)
    assert identity.spki_sha256 == spki_sha256_of_der(der) == hashlib.sha256(spki).digest()
    assert identity.not_before <= SystemClock().now() < identity.not_after


def test_identity_of_something_else(tmp_path, generated):
    with pytest.raises(CertGeneratorException, match="cannot read"):
        CertificateIdentity.from_file(tmp_path / "none")
    (tmp_path / "file").write_bytes(generated.hub_key)
    with pytest.raises(CertGeneratorException, match="file holds a private key and no certificate"):
        CertificateIdentity.from_file(tmp_path / "file")
    with pytest.raises(CertGeneratorException):
        CertificateIdentity.from_pem("")
    with pytest.raises(CertGeneratorException, match="not an X"):
        CertificateIdentity.from_der(b"\x30\x03\x02\x01\x01")


def test_certificate_without_alternative_names(generated):
    assert CertificateIdentity.from_pem(generated.ca_pem).names == ()


def test_spki_of_truncated_der_is_an_error_at_every_length(generated):
    der = CertificateIdentity.from_pem(generated.hub_pem).der
    for length in range(len(der)):
        with pytest.raises(CertGeneratorException):
            spki_of_der(der[:length])


@given(st.binary(max_size=80))
def test_spki_of_anything_is_bytes_or_an_error(data):
    with suppress(CertGeneratorException):
        assert spki_of_der(data) in data
