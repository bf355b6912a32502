"""What is told about certificates: each fault in its own words, and nothing about those that clients accept."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.in_one_test import in_one_test
from support.pki import YEAR, Issued, issue, root, weak_key

from omnyshell.security.cert_chain import Authorities
from omnyshell.security.cert_faults import REMEDIES, Fault, faults_of

NOW = datetime(2031, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def nothing() -> Authorities:
    return Authorities(())


def server(by: Issued | None = None, *names: str, **how) -> Issued:
    how = {"start": NOW - 100 * DAY, "life": 800 * DAY} | how
    return issue(by or root(start=NOW - YEAR, life=10 * YEAR), names=names or ("hub.example",), **how)


def told(chain, *hosts: str, now: datetime = NOW, system=nothing, is_start: bool = False) -> dict[Fault, str]:
    return {fault.kind: str(fault) for fault in faults_of(chain, now, hosts=hosts, system=system, is_start=is_start)}


def test_nothing_is_wrong_with_a_whole_chain() -> None:
    top = root(start=NOW - YEAR, life=10 * YEAR)
    middle = issue(top, "middle", is_authority=True, start=NOW - YEAR, life=3 * YEAR)
    leaf = server(middle, "hub.example", "*.wild.example", "10.0.0.1", "::1")
    assert told(leaf.chain, "HUB.example.", "a.wild.example", "10.0.0.1", "[::1]", is_start=True) == {}
    assert told(leaf.chain[:-1]) == {}
    assert told(server(top).chain[:1], system=lambda: Authorities(top.ders)) == {}
    own = issue(None, names=["hub.example"], start=NOW - DAY, life=YEAR)
    assert told(own.chain, "hub.example") == {}


@in_one_test(
    ("make", "kind", "words"),
    [
        (lambda: server(start=NOW - 2 * DAY, life=DAY).chain, Fault.EXPIRED, "it expired on 2031-05-03 12:00 UTC"),
        (lambda: server(start=NOW + DAY).chain, Fault.NOT_YET_VALID, "it is not valid before 2031-05-05 12:00 UTC"),
        (lambda: server(start=NOW - YEAR, life=YEAR + 9 * DAY).chain, Fault.ENDS_SOON, "it expires on 2031-05-13"),
        (lambda: issue(root(start=NOW - DAY), "hub", start=NOW - DAY).chain, Fault.WITHOUT_NAMES, "for no host"),
        (lambda: server(None, "other.example").chain, Fault.OTHER_NAME, "it is for other.example, and not for"),
        (lambda: server().chain[:1], Fault.INCOMPLETE, "is an intermediate, the certificate of that is missing"),
        (lambda: server(key=weak_key()).chain, Fault.WEAK, "it has an RSA key of 1024 bits"),
        (
            lambda: server(purposes=[ExtendedKeyUsageOID.CLIENT_AUTH]).chain,
            Fault.NOT_FOR_SERVERS,
            "it is not for TLS servers",
        ),
        (lambda: server(server(None, "another.example")).chain, Fault.NO_AUTHORITY, "'CN=another.example' may not"),
    ],
)  # fmt: skip
def test_each_fault_has_words_and_a_remedy_of_its_own(make, kind: Fault, words: str) -> None:
    found = told(make(), "hub.example")
    assert list(found) == [kind]
    assert words in found[kind]
    assert found[kind].endswith(REMEDIES[kind])


@in_one_test(
    "how",
    [{"start": NOW - 2 * DAY, "life": DAY}, {"start": NOW + DAY}, {"names": ["other.example"]}, {"key": weak_key()}],
)
def test_what_may_be_all_right_drowns_nothing_that_is_wrong(how) -> None:
    names = how.pop("names", ["hub.example"])
    found = told(server(None, *names, **how).chain[:1], "hub.example")
    assert len(found) == 1
    assert Fault.INCOMPLETE not in found


def test_every_kind_of_fault_has_a_remedy() -> None:
    assert REMEDIES.keys() == set(Fault)
    assert len(set(REMEDIES.values())) == len(Fault)


def test_what_is_wrong_above_is_told_by_its_name() -> None:
    top = root("old root", start=NOW - 10 * YEAR, life=10 * YEAR - DAY)
    assert "its issuer 'CN=old root' expired" in told(server(top).chain)[Fault.EXPIRED]
    shallow = root("shallow", start=NOW - DAY, path_length=0)
    middle = issue(shallow, "middle", is_authority=True, start=NOW - DAY)
    assert "'CN=shallow' may not issue" in told(server(middle).chain)[Fault.NO_AUTHORITY]
    brittle = root("brittle", start=NOW - DAY, life=10 * YEAR, key=weak_key())
    assert "'CN=brittle' has an RSA key" in told(server(brittle).chain)[Fault.WEAK]


def test_the_order_of_a_chain() -> None:
    middle = issue(root("top", start=NOW - DAY), "middle", is_authority=True, start=NOW - DAY)
    leaf, between, top = server(middle).chain
    assert list(told([leaf, top, between])) == [Fault.DISORDERED]
    stray = root("stray", start=NOW - DAY).certificate
    assert "'CN=stray' is no part of its chain" in told([leaf, between, top, stray])[Fault.DISORDERED]


@in_one_test(
    ("life", "left", "daily", "at_start"),
    [
        (800 * DAY, 31 * DAY, False, False),
        (800 * DAY, 29 * DAY, True, True),
        (90 * DAY, 29 * DAY, False, True),
        (90 * DAY, 22 * DAY, True, True),
        (DAY, DAY / 2, False, True),
        (DAY, DAY / 5, True, True),
        (DAY, timedelta(0), True, True),
    ],
)
def test_short_lives_are_warned_about_late_but_at_a_start(life, left, daily: bool, at_start: bool) -> None:
    chain = server(start=NOW + left - life, life=life).chain
    assert (Fault.ENDS_SOON in told(chain)) is daily
    assert (Fault.ENDS_SOON in told(chain, is_start=True)) is at_start


def test_an_authority_is_warned_about_a_year_before() -> None:
    for left, is_told in ((366 * DAY, False), (364 * DAY, True)):
        top = root("top", start=NOW + left - 3650 * DAY, life=3650 * DAY)
        found = told(server(top, life=150 * DAY).chain)
        assert (Fault.ENDS_SOON in found) is is_told
        if is_told:
            assert "its issuer 'CN=top' expires on" in found[Fault.ENDS_SOON]


def test_the_moment_of_the_end_belongs_to_the_life() -> None:
    chain = server(start=NOW - DAY, life=10 * DAY).chain
    end = chain[0].not_valid_after_utc
    assert Fault.EXPIRED not in told(chain, now=end)
    assert Fault.EXPIRED in told(chain, now=end + timedelta(seconds=1))
    start = chain[0].not_valid_before_utc
    assert Fault.NOT_YET_VALID not in told(chain, now=start)
    assert Fault.NOT_YET_VALID in told(chain, now=start - timedelta(seconds=1))


def test_keys_and_curves_that_tls_takes() -> None:
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        assert told(server(key=ec.generate_private_key(curve)).chain) == {}
    assert Fault.WEAK in told(server(key=ec.generate_private_key(ec.SECP192R1())).chain)
