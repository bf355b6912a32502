"""Hosts in one spelling, as they are compared and as they are dialled."""

from support.in_one_test import in_one_test

from omnyshell.hosts import dialled_host, host_and_port, is_loopback


@in_one_test(
    ("host", "dialled"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST", "localhost"),
        ("localhost.", "localhost"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("[::ffff:10.0.0.1]", "10.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("FD00::1", "fd00::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("db", "db"),
        ("DB.lan.", "DB.lan."),
        ("1password.example", "1password.example"),
        ("localhost.evil", "localhost.evil"),
        ("bücher.example", "bücher.example"),
        ("", ""),
    ],
)
def test_a_host_is_dialled_in_one_spelling(host: str, dialled: str) -> None:
    assert dialled_host(host) == dialled
    assert dialled_host(dialled) == dialled


def test_the_own_machine_is_known_in_every_spelling() -> None:
    assert all(map(is_loopback, map(dialled_host, ("LOCALHOST", "localhost.", "[::1]", "127.1", "::ffff:127.9.9.9"))))
    assert not any(map(is_loopback, map(dialled_host, ("10.1", "127.example", "localhost.evil", "::"))))


def test_an_ipv6_address_stands_in_brackets_before_its_port() -> None:
    assert (host_and_port("db", 80), host_and_port("::1", 80)) == ("db:80", "[::1]:80")
