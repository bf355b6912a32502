"""Whether clients could take the tunnels' certificate for the hub's, judged by rules and by TLS itself."""

import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from support.in_one_test import in_one_test
from support.pki import Issued, issue, root
from support.pki_worlds import problems

from omnyshell.errors import CertGeneratorException
from omnyshell.security.cert_chain import Authorities, Chain, read_chain
from omnyshell.security.cert_names import alternative_names
from omnyshell.security.cert_separation import what_is_shared
from omnyshell.transport.tls import client_context, server_context

HUB, TUNNELS = "hub.some.example", "tunnels.some.example"


class Case(NamedTuple):
    """Two pairs, and the files that they are shown from."""

    hub: Issued
    tunnels: Issued
    hub_shows: Chain
    tunnels_show: Chain


def case(hub: Issued, tunnels: Issued) -> Case:
    return Case(hub, tunnels, hub.chain, tunnels.chain)


def shared(found: Case, dialled: Iterable[str] = (), system: Iterable[x509.Certificate] = ()) -> str:
    return what_is_shared(
        found.hub_shows,
        found.tunnels_show,
        dialled,
        lambda: Authorities(found.public_bytes(Encoding.DER) for found in system),
    )


def middle(top: Issued, name: str = "") -> Issued:
    return issue(top, name, is_authority=True)


def crossed(inner: Issued, by: Issued) -> Issued:
    """The same authority, by name and key, issued by another one as well."""
    name = inner.certificate.subject.rfc4514_string().removeprefix("CN=")
    return issue(by, name, is_authority=True, key=inner.key)


def same_key() -> Case:
    hub = issue(root(), names=[HUB])
    return case(hub, issue(root(), names=[TUNNELS], key=hub.key))


def the_hubs_own_pair() -> Case:
    hub = issue(root(), names=[HUB])
    return case(hub, hub)


def key_of_the_authority() -> Case:
    top = root()
    return case(issue(top, names=[HUB]), issue(root(), names=[TUNNELS], key=top.key))


def one_authority() -> Case:
    top = root()
    return case(issue(top, names=[HUB]), issue(top, names=[HUB]))


def a_wildcard_for_tunnels() -> Case:
    top = root()
    return case(issue(top, names=[HUB]), issue(top, names=[TUNNELS, "*.some.example"]))


def a_wildcard_for_the_hub() -> Case:
    top = root()
    return case(issue(top, names=["*.some.example"]), issue(top, names=[TUNNELS]))


def one_address() -> Case:
    top = root()
    return case(issue(top, names=[HUB, "10.0.0.1"]), issue(top, names=[TUNNELS, "10.0.0.1"]))


def a_common_name_alone() -> Case:
    top = root()
    return case(issue(top, names=[HUB]), issue(top, HUB))


def two_intermediates_of_one_root() -> Case:
    top = root()
    return case(issue(middle(top), names=[HUB]), issue(middle(top), names=[HUB]))


def the_root_is_in_no_file() -> Case:
    found = two_intermediates_of_one_root()
    return found._replace(hub_shows=found.hub_shows[:-1], tunnels_show=found.tunnels_show[:-1])


def no_issuer_is_in_any_file() -> Case:
    found = one_authority()
    return found._replace(hub_shows=found.hub_shows[:1], tunnels_show=found.tunnels_show[:1])


def the_hubs_issuer_is_in_the_tunnels_file_alone() -> Case:
    found = two_intermediates_of_one_root()
    shows = [*found.tunnels_show, *found.hub_shows[1:]]
    return found._replace(hub_shows=found.hub_shows[:1], tunnels_show=shows)


def an_authority_of_two_names() -> Case:
    one = root("one")
    other = root("other", key=one.key)
    return case(issue(one, names=[HUB]), issue(other, names=[HUB]))


def a_cross_signed_authority() -> Case:
    top, own = root(), root()
    hub = issue(top, names=[HUB])
    tunnels = issue(own, names=[HUB])
    shows = [tunnels.certificate, crossed(own, top).certificate]
    return case(hub, tunnels)._replace(tunnels_show=shows)


def a_hub_whose_authority_is_cross_signed_by_that_of_tunnels() -> Case:
    top, own = root(), root()
    hub = issue(crossed(own, top), names=[HUB])
    return case(hub, issue(top, names=[HUB]))._replace(hub_shows=[hub.certificate, own.certificate, hub.chain[1]])


def issued_by_a_hub_that_signed_itself() -> Case:
    hub = issue(None, names=[HUB], is_authority=True)
    tunnels = issue(hub, "tunnels", names=[HUB])
    return case(hub, tunnels)._replace(tunnels_show=tunnels.chain[:1])


def the_tunnels_authority_in_the_hubs_file() -> Case:
    hub, tunnels = issue(root(), names=[HUB]), issue(root(), names=[HUB])
    return case(hub, tunnels)._replace(hub_shows=[*hub.chain, tunnels.chain[-1]])


def two_issuers_of_one_root_that_are_in_no_file() -> Case:
    top = root()
    found = case(issue(middle(top, "one"), names=[HUB]), issue(middle(top, "other"), names=[HUB]))
    return found._replace(hub_shows=found.hub_shows[:1], tunnels_show=found.tunnels_show[:1])


def two_issuers_of_one_root_of_which_the_tunnels_file_has_none() -> Case:
    top = root()
    found = case(issue(middle(top, "one"), names=[HUB]), issue(middle(top, "other"), names=[HUB]))
    return found._replace(tunnels_show=found.tunnels_show[:1])


def an_authority_of_two_names_that_is_in_no_file() -> Case:
    found = an_authority_of_two_names()
    return found._replace(hub_shows=found.hub_shows[:1], tunnels_show=found.tunnels_show[:1])


UNSAFE = [
    same_key, the_hubs_own_pair, key_of_the_authority, one_authority, a_wildcard_for_tunnels, a_wildcard_for_the_hub,
    one_address, a_common_name_alone, two_intermediates_of_one_root, the_root_is_in_no_file, no_issuer_is_in_any_file,
    the_hubs_issuer_is_in_the_tunnels_file_alone, an_authority_of_two_names, a_cross_signed_authority,
    a_hub_whose_authority_is_cross_signed_by_that_of_tunnels, issued_by_a_hub_that_signed_itself,
    the_tunnels_authority_in_the_hubs_file,
]  # fmt: skip

# Clients can tell by what they hold themselves, and the hub cannot.
UNTOLD = [
    two_issuers_of_one_root_that_are_in_no_file, two_issuers_of_one_root_of_which_the_tunnels_file_has_none,
    an_authority_of_two_names_that_is_in_no_file,
]  # fmt: skip


def two_authorities() -> Case:
    return case(issue(root(), names=[HUB]), issue(root(), names=[HUB]))


def two_authorities_of_one_name() -> Case:
    return case(issue(root("one name"), names=[HUB]), issue(root("one name"), names=[HUB]))


def two_that_signed_themselves() -> Case:
    return case(issue(None, names=[HUB]), issue(None, names=[HUB]))


def another_name_of_one_authority() -> Case:
    top = middle(root())
    return case(issue(top, names=[HUB, "10.0.0.1"]), issue(top, names=[TUNNELS, "10.0.0.2"]))


SAFE = [
    two_authorities, two_authorities_of_one_name, two_that_signed_themselves, another_name_of_one_authority,
]  # fmt: skip


@in_one_test("make", [*UNSAFE, *UNTOLD])
def test_what_is_shared_is_told(make: Callable[[], Case]) -> None:
    assert shared(make())


@in_one_test("make", SAFE)
def test_pairs_that_are_apart(make: Callable[[], Case]) -> None:
    assert shared(make()) == ""


def test_issuers_of_one_organization_of_which_no_more_is_known_are_taken_for_one() -> None:
    top = root()
    one, other = (issue(middle(top, f"{name}/Some Corp"), names=[HUB]) for name in ("one", "other"))
    unknown = Case(one, other, one.chain[:1], other.chain[:1])
    assert "'O=Some Corp,CN=other'" in shared(unknown)
    assert shared(unknown._replace(tunnels_show=other.chain[:2]))
    apart = (issue(root(f"{name}/Some Corp"), names=[HUB]) for name in ("one", "other"))
    assert shared(case(*apart)) == ""


def test_names_by_which_the_hub_is_dialled_count_too() -> None:
    found = another_name_of_one_authority()
    assert TUNNELS in shared(found, dialled=["TUNNELS.some.example"])
    assert shared(found, dialled=["another.example"]) == ""


def test_an_authority_that_this_system_trusts_is_right_for_another_name_alone() -> None:
    found = two_authorities()
    tops = [found.hub.chain[-1], found.tunnels.chain[-1]]
    assert shared(found, system=tops[:1]) == ""
    for trusted in (tops, tops[1:]):
        assert "from an authority that this system trusts" in shared(found, system=trusted)
    apart = case(issue(root(), names=[HUB]), issue(root(), names=[TUNNELS]))
    assert shared(apart, system=[apart.hub.chain[-1], apart.tunnels.chain[-1]]) == ""
    # What leads to it may be known to the system alone.
    hidden = the_root_is_in_no_file()
    assert shared(hidden, system=[hidden.hub.chain[-1]])


def test_the_words_name_what_is_shared() -> None:
    assert shared(same_key()) == "both have the same key"
    top = root("The Authority")
    found = case(issue(top, names=[HUB]), issue(top, names=["*.some.example"]))
    assert shared(found) == "both come from 'CN=The Authority', and both are for *.some.example"


def accepted(found: Case, trusted: x509.Certificate, host: str, directory: Path) -> bool:
    """Whether a client of ours that trusts a certificate accepts the tunnels' for a host, in a real handshake."""
    ca = directory / "ca.pem"
    ca.write_bytes(trusted.public_bytes(Encoding.PEM))
    cert, key = found.tunnels.write(
        directory, "tunnels", b"".join(c.public_bytes(Encoding.PEM) for c in found.tunnels_show)
    )
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context(ca).wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context(cert, key).wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
    assert client.getpeercert(binary_form=True) == found.tunnels.ders[0]
    return True


@pytest.mark.parametrize("make", [*SAFE, *UNSAFE])
def test_tls_agrees(make: Callable[[], Case], tmp_path: Path) -> None:
    """A client may trust whatever the hub shows, or its root, and dial it by whatever it is for."""
    found = make()
    pinned = {*found.hub_shows, *found.hub.chain}
    names = alternative_names(found.hub.certificate)
    hosts = [TUNNELS if name.startswith("*") else name for name in names]
    is_taken = any(accepted(found, trusted, host, tmp_path) for trusted in pinned for host in hosts)
    if make in SAFE:
        assert not is_taken
    elif make not in (same_key, key_of_the_authority, an_authority_of_two_names):
        # The rules are no stricter than the danger. Of those left out, a key in two places is none for TLS alone.
        assert is_taken


@pytest.mark.parametrize("make", UNTOLD[:2])
def test_a_client_that_holds_every_issuer_takes_what_the_hub_cannot_tell_apart(
    make: Callable[[], Case], tmp_path: Path
) -> None:
    found = make()
    bundle = found.tunnels.chain[1]
    assert accepted(found, bundle, HUB, tmp_path)


def test_certificates_that_cannot_be_read_are_an_error() -> None:
    with pytest.raises(CertGeneratorException):
        read_chain([b"\x30\x03\x02\x01\x01"])


def test_in_random_worlds_whoever_can_use_the_hub_refuses_what_is_called_apart(tmp_path: Path) -> None:
    wrong, apart, dangerous = problems(range(24), tmp_path)
    assert wrong == []
    assert apart > 5
    assert dangerous > 5
