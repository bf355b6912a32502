"""Certificates with bytes changed at random, as a hostile server may show: what is said of them is text or an error."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.pki import issue, root

from omnyshell.errors import CertGeneratorException, UntrustedHubException
from omnyshell.security.cert_chain import Authorities, read_chain
from omnyshell.security.cert_faults import faults_of
from omnyshell.security.cert_separation import what_is_shared
from omnyshell.security.certificates import CertificateIdentity
from omnyshell.services import trust
from omnyshell.transport.connection import HubAddress

SPECIAL = (0, 1, 0x0C, 0x16, 0x1B, 0x30, 0x7F, 0x80, 0x82, 0xFF)


def changed(ders: tuple[bytes, ...], chooser: random.Random) -> tuple[bytes, ...]:
    chain = [bytearray(der) for der in ders]
    for _ in range(chooser.randint(1, 4)):
        der = chooser.choice(chain)
        place = chooser.randrange(len(der))
        der[place] = chooser.choice((chooser.randrange(256), chooser.choice(SPECIAL), der[place] ^ 1))
    return tuple(map(bytes, chain))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("seed", range(5))
def test_whatever_was_changed_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    chooser = random.Random(seed)
    top = root("Top/Some Corp")
    pair = issue(issue(top, "between", is_authority=True), names=["hub.some.example", "*.any.example", "10.0.0.1"])
    ca = tmp_path / "ca.pem"
    ca.write_bytes(top.pem)
    now = datetime.now(UTC)
    for _ in range(100):
        ders = changed(pair.ders, chooser)
        said = trust.explained(UntrustedHubException("-", chain=ders), HubAddress("hub.some.example", 1), ca)
        assert str(said).isprintable()
        assert said.chain == ders
        try:
            CertificateIdentity.from_der(ders[0])
            chain = read_chain(ders)
        except CertGeneratorException:
            continue
        for fault in faults_of(chain, now, hosts=("other.example",), system=lambda: Authorities(())):
            assert str(fault).isprintable()
        try:
            what_is_shared(chain, pair.chain, (), lambda: Authorities(()))
            what_is_shared(pair.chain, chain, (), lambda: Authorities(()))
        except (CertGeneratorException, ValueError):
            continue


def test_a_parser_that_raises_anything_else_does_not_hide_the_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(_ders: object) -> None:
        raise AttributeError("a bug of the parser")

    monkeypatch.setattr(trust, "read_chain", raises)
    error = UntrustedHubException("-", chain=(b"anything",))
    said = trust.explained(error, HubAddress("hub", 1), tmp_path / "ca.pem")
    assert "is not trusted: it holds what cannot be read" in str(said)
