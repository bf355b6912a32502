import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.networks import Network, network_of
from omnyshell.services.hub.options import read_balancers


@in_one_test(
    ("text", "inside", "outside"),
    [
        ("10.0.0.0/8", ["10.0.0.1", "10.255.255.255", "::ffff:10.1.2.3"], ["11.0.0.1", "::1", "", "unix:/run/hub"]),
        (" 192.0.2.7 ", ["192.0.2.7"], ["192.0.2.8"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:DB8:ffff::9"], ["2001:db9::1", "10.0.0.1", "2001"]),
        ("::1", ["::1"], ["127.0.0.1"]),
    ],
)
def test_a_network_holds_addresses(text, inside, outside):
    network = Network(text)
    assert [address in network for address in inside + outside] == [True] * len(inside) + [False] * len(outside)
    assert Network(str(network)) == network
    assert len({network, Network(str(network))}) == 1


@in_one_test("text", ["", "10.0.0.0/33", "10.0.0.1/8", "10", "hub.example", "10.0.0.0/-1", "::/129"])
def test_what_is_no_network(text):
    with pytest.raises(ConfigException, match=r"10\.0\.0\.0/8"):
        Network(text)


def test_balancers_are_not_everywhere():
    assert list(map(str, read_balancers(["10.0.0.0/8", "::1"]))) == ["10.0.0.0/8", "::1/128"]
    for text in ("0.0.0.0/0", "::/0"):
        with pytest.raises(ConfigException, match="everywhere"):
            read_balancers(["10.0.0.0/8", text])


@in_one_test(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:1:2:3::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nothing", "nothing"),
    ],
)
def test_what_an_address_is_counted_as(address, network):
    assert network_of(address) == network
