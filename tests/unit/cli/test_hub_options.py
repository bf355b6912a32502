"""What the options of `hub start` make of files."""

from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest
from support.in_one_test import in_one_test
from support.stack import Certificates

from omnyshell.cli.grammar.commands import HUB_START
from omnyshell.cli.grammar.parsing import parse
from omnyshell.cli.hub.start import config_from
from omnyshell.errors import ConfigException
from omnyshell.model.targets import Target
from omnyshell.options.option import Option
from omnyshell.options.values import settings
from omnyshell.security.authenticators import principals_of
from omnyshell.services.hub.audit.sinks import open_sink
from omnyshell.services.hub.ground.audit_settings import SinkTls
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.options import OPTIONS
from omnyshell.services.node.config import NodeConfig
from omnyshell.services.node.options import OPTIONS as NODE_OPTIONS
from omnyshell.transport.connection import HubAddress


def test_grants_and_keys_are_followed_each_in_its_own_file(certificates: Certificates, tmp_path: Path) -> None:
    grants, keys = tmp_path / "grants", tmp_path / "authorized_keys"
    grants.write_text("ann:ann-token:admin\nbob:bob-token:developer\n")
    keys.write_text("# nobody yet\n")
    words = [
        *("--cert", str(certificates.cert), "--key", str(certificates.key)),
        *("--grant-token-file", str(grants), "--authorized-keys", str(keys)),
    ]
    config = config_from(parse(HUB_START, words))
    assert sorted(principals_of(config.authenticator)) == ["ann", "bob"]
    grants.write_text("ann:ann-token:admin\n")
    for watched in config.watched:
        watched.reload()
    assert sorted(principals_of(config.authenticator)) == ["ann"]


def test_who_may_come_unbound_and_where_the_hub_is(certificates: Certificates, tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    words = ["--config", str(file), "--cert", str(certificates.cert), "--key", str(certificates.key)]
    words += ["--grant-token", "ann:ann-token:admin"]

    def read(text: str, *more: str) -> HubConfig:
        file.write_text(text)
        return config_from(parse(HUB_START, [*words, *more]))

    assert (read("").allow_unbound_keys, read("").public_urls) == (frozenset(), ())
    for text in ('allow-unbound-keys = "ann,box"', 'allow-unbound-keys = ["ann", "box"]'):
        assert read(text).allow_unbound_keys == {"ann", "box"}
    assert read("", "--allow-unbound-keys", "ann,box", "--allow-unbound-keys", "eve").allow_unbound_keys == {
        *("ann", "box", "eve")
    }
    with pytest.raises(ConfigException, match=r"hub.toml.*allow-unbound-keys.*name each one"):
        read('allow-unbound-keys = "*"')
    urls = read('public-url = ["wss://hub.example", "wss://[::1]:9000"]').public_urls
    assert urls == (HubAddress("hub.example", 8443), HubAddress("::1", 9000))
    assert read('public-url = "wss://hub.example:443"').public_urls == (HubAddress("hub.example", 443),)
    with pytest.raises(ConfigException, match=r"hub.toml.*public-url.*wss://"):
        read('public-url = "http://hub.example"')


def test_files_for_sinks_over_tls_arrive_where_the_sink_reads_them(certificates: Certificates, tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    cert, key = (str(path) for path in (certificates.cert, certificates.key))
    sinks = f'audit-sink = "syslog-tls:logs.example"\naudit-sink-ca = "{cert}"\naudit-sink-cert = "{cert}"\n'
    file.write_text(f'{sinks}audit-sink-key = "{key}"\ngrant-token = "ann:ann-token:admin"\n')
    config = config_from(parse(HUB_START, ["--config", str(file), "--cert", cert, "--key", key]))
    assert config.audit_sink_tls == SinkTls(certificates.cert, certificates.cert, certificates.key)
    open_sink(config.audit_sinks[0], config.audit_sink_tls).close()


@in_one_test(
    ("option", "config"),
    [
        (option, config)
        for declared, config in ((OPTIONS, HubConfig), (NODE_OPTIONS, NodeConfig))
        for option in declared
        if option.sets
    ],
    ids=lambda value: getattr(value, "key", ""),
)
def test_what_an_option_sets_is_a_field_also_of_a_nested_setting(option: Option, config: type) -> None:
    first, _, second = option.sets.partition(".")
    kinds = get_type_hints(config)
    assert first in kinds
    assert not second or second in {field.name for field in fields(kinds[first])}
    given = dict.fromkeys(one.key for one in (*OPTIONS, *NODE_OPTIONS))
    said = settings(given | {option.key: option.default}, [option], config)
    assert not second or option.default is None or isinstance(said[first], kinds[first])


def test_where_a_hub_listens_for_others_and_is_reached_by_them(certificates: Certificates, tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    words = ["--config", str(file), "--cert", str(certificates.cert), "--key", str(certificates.key)]
    words += ["--grant-token", "ann:ann-token:admin"]

    def read(text: str) -> HubConfig:
        file.write_text(f"[cluster]\n{text}")
        return config_from(parse(HUB_START, words))

    assert read("").cluster == ClusterSettings()
    assert read('links = "[::1]:7444"').cluster == ClusterSettings(
        links=Target("::1", 7444), links_at=Target("::1", 7444)
    )
    both = read('links = "0.0.0.0:7444"\nlinks-at = "a.example:443"').cluster
    assert both == ClusterSettings(links=Target("0.0.0.0", 7444), links_at=Target("a.example", 443))
    assert [read(f"weight = {weight}").cluster for weight in (0, 1000)] == [
        ClusterSettings(weight=0),
        ClusterSettings(weight=1000),
    ]
    assert read("require-place-proofs = true").cluster == ClusterSettings(require_place_proofs=True)
    for text, why in (
        ("require-place-proofs = 1", "true or false"),
        ("weight = 1001", "1000 at most"),
        ("weight = -1", "at least 0"),
        ('links = "/run/links"', "write HOST:PORT"),
        ('links = "a.example"', "HOST:PORT"),
        ('links = "0.0.0.0:7444"', "say by 'links-at'"),
        ('links = "[::]:7444"', "say by 'links-at'"),
        ('links-at = "a.example:7444"', "'links'"),
    ):
        with pytest.raises(ConfigException, match=rf"(?s)hub.toml.*{why}"):
            read(text)
