"""Which targets a node lets tunnels lead to."""

import pytest
from support.in_one_test import in_one_test

from omnyshell import ConfigException
from omnyshell.services.exposer.targets import TargetPatterns


@in_one_test("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.8.7", "::1"])
def test_by_default_the_own_loopback(host: str) -> None:
    assert TargetPatterns().allows("t", host, 1)
    assert TargetPatterns().allows("t", host, 65535)


@in_one_test(
    "host",
    ["", "0.0.0.0", "10.0.0.1", "::", "localhost.", "localhost.evil", "127.1", "0x7f.1", "2130706433", "example.com"],
)
def test_and_nothing_else(host: str) -> None:
    assert not TargetPatterns().allows("t", host, 80)


@in_one_test(
    ("pattern", "allowed", "refused"),
    [
        ("10.0.0.0/8:443", [("10.1.2.3", 443)], [("10.1.2.3", 80), ("11.0.0.1", 443), ("db", 443), ("localhost", 443)]),
        ("*.lan:*", [("db.lan", 1), ("DB.LAN", 9)], [("lan", 1), ("db.lan.evil", 1), ("127.0.0.1", 1)]),
        ("db-?.lan:5000-5010", [("db-1.lan", 5000), ("db-1.lan", 5010)], [("db-1.lan", 4999), ("db-10.lan", 5000)]),
        ("[fd00::/8]:22", [("fd00::1", 22), ("FD12::9", 22)], [("fe80::1", 22), ("::1", 22)]),
        ("[::1]:22", [("::1", 22), ("0:0:0:0:0:0:0:1", 22)], [("127.0.0.1", 22)]),
        ("192.168.1.5:*", [("192.168.1.5", 7)], [("192.168.1.50", 7)]),
        ("localhost:8080", [("127.0.0.1", 8080), ("localhost", 8080)], [("127.0.0.1", 8081)]),
        ("*:*", [("anything", 1), ("::1", 2)], []),
    ],
)
def test_patterns(pattern: str, allowed: list[tuple[str, int]], refused: list[tuple[str, int]]) -> None:
    targets = TargetPatterns([pattern])
    assert all(targets.allows("t", *target) for target in allowed)
    assert not any(targets.allows("t", *target) for target in refused)


@in_one_test(
    "pattern", ["", "host", ":80", "host:", "host:0", "host:65536", "host:9-1", "host:x", "::1:80", "10.0.0.1/8:80"]
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ConfigException):
        TargetPatterns([pattern])
