"""The options of a hub: of `omnyshell hub start`, and of the file that `--config` names."""

import math
from datetime import timedelta
from typing import Any

from omnyshell.errors import ConfigException
from omnyshell.ids import NODE_ID_RULE, is_node_id
from omnyshell.model.hubs import MOST_WEIGHT, USUAL_WEIGHT
from omnyshell.model.targets import Target
from omnyshell.model.tunnels import PortRange
from omnyshell.networks import Network
from omnyshell.options.option import Check, Option, default_of
from omnyshell.options.toml_file import TomlFile
from omnyshell.options.toml_tables import Table, read_tables
from omnyshell.options.values import at_least, duration, file_exists
from omnyshell.paths import user_path
from omnyshell.protocol.limits import HEARTBEAT_INTERVAL, MIB
from omnyshell.security.grant_tables import read_grant
from omnyshell.security.grants import Grant
from omnyshell.security.login_limit import DEFAULT_LIMIT, LoginLimit
from omnyshell.services.hub.audit.sinks import KINDS, open_sink
from omnyshell.services.hub.ground.audit_settings import AuditedCommands
from omnyshell.services.hub.ground.cluster_settings import (
    ClusterSettings,
    flaw_of_engine,
    flaw_of_links,
    is_everywhere,
)
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.limits import Allowance
from omnyshell.services.hub.peers.proofs import parse_unbound_keys
from omnyshell.services.hub.quota_tables import read_quota
from omnyshell.services.service_options import CONFIG, LOG_FORMAT, LOG_LEVEL, STRICT_MODES
from omnyshell.transport.connection import HubAddress
from omnyshell.transport.endpoint import EndpointLimits
from omnyshell.transport.strangers import StrangerLimit

_MADE = file_exists("; `omnyshell cert gen` makes one")


def read_sinks(texts: list[str]) -> tuple[str, ...]:
    """Read `--audit-sink`. Raises `ConfigException` for an invalid one."""
    for text in texts:
        open_sink(text)
    return tuple(texts)


def read_balancers(texts: list[str]) -> tuple[Network, ...]:
    """Read `--proxy-protocol-from`. Raises `ConfigException`, also for a network that contains all addresses."""
    networks = tuple(map(Network, texts))
    for network in networks:
        if network.is_everything:
            text = f"{network} is everywhere: whoever connects could say any address; name your balancers' own"
            raise ConfigException(text)
    return networks


def read_node_labels(value: Any, file: TomlFile) -> dict[str, dict[str, str]]:
    """Read `[nodes.ID.labels]`, the ceilings of labels that the hub sets. Raises `ConfigException`."""
    if not isinstance(value, dict):
        raise file.error(("nodes",), "'nodes' must hold tables, as [nodes.ID.labels]")
    result = {}
    for node_id, settings in value.items():
        with file.at(("nodes", node_id)):
            result[node_id] = _labels_of(node_id, settings)
    return result


def _labels_of(node_id: str, settings: Any) -> dict[str, str]:
    if not is_node_id(node_id):
        raise ConfigException(f"'{node_id}' is no node id: use {NODE_ID_RULE}")
    if not isinstance(settings, dict):
        raise ConfigException(f"a node's labels are a table: [nodes.{node_id}.labels]")
    return Table(settings, ("labels",), "the table of a node").text_map("labels")


def read_cluster(value: Any, file: TomlFile) -> ClusterSettings:
    """Read `[cluster]`, the settings of a hub that is one of several. Raises `ConfigException`."""
    if not isinstance(value, dict):
        raise file.error(("cluster",), "'cluster' must be a table, as [cluster]")
    with file.at(("cluster",)):
        keys = ("engine", "engine-ca", "stale-after", "weight", "links", "links-at", "require-place-proofs")
        table = Table(value, keys, "the table of a cluster")
        authorities, (links, links_at) = table.text("engine-ca"), _links(table)
        return ClusterSettings(
            engine=table.texts("engine", flaw_of_engine),
            stale_after=_stale_after(table.text("stale-after")),
            weight=_weight(table) if "weight" in value else USUAL_WEIGHT,
            engine_ca=user_path(authorities) if authorities else None,
            links=links,
            links_at=links_at,
            require_place_proofs=table.flag("require-place-proofs"),
        )


def _links(table: Table) -> tuple[Target | None, Target | None]:
    """Read where a hub listens for links, and where others reach it. Raises `ConfigException`."""
    listen, reached = (table.text(key, flaw_of_links) for key in ("links", "links-at"))
    if not listen:
        if reached:
            raise table.error("links-at", "'links-at' says where others reach 'links', which is missing")
        return None, None
    links, links_at = Target.parse(listen), Target.parse(reached or listen)
    if is_everywhere(links_at):
        raise table.error("links", f"say by 'links-at' where other hubs reach this one: '{links_at}' is no address")
    return links, links_at


def _weight(table: Table) -> int:
    weight = table.whole_number("weight", 0)
    if weight > MOST_WEIGHT:
        raise table.error("weight", f"'weight' must be {MOST_WEIGHT} at most")
    return weight


def _stale_after(text: str) -> float:
    return float(duration(text)) if text else ClusterSettings().stale_after


def read_grants(value: Any, file: TomlFile) -> tuple[Grant, ...]:
    """Read `[[grants]]`, the rights that the hub gives and denies. Raises `ConfigException`."""
    return read_tables(value, "grants", file, lambda table, number: read_grant(table, f"grant {number + 1}"))


def read_quotas(value: Any, file: TomlFile) -> tuple[Allowance, ...]:
    """Read `[[quotas]]`, limits for some principals. Raises `ConfigException`."""
    return read_tables(value, "quotas", file, read_quota)


def _strangers(flag: str, text: str, limit: str) -> Option:
    """Return the option for a limit of connections before login; `limit` is its field of `EndpointLimits`."""
    default, sets = str(default_of(EndpointLimits, limit)), f"endpoint.{limit}"
    return Option(flag, text, "START:RATE:FULL", default=default, sets=sets, parse=StrangerLimit.parse)


ADDRESS = (
    Option("--host", "address to listen on; all of them if not given", "H", default="", sets="host", restart=True),
    Option(
        "--port",
        "port to listen on; 0 takes a free one and prints it",
        "N",
        "int",
        default_of(HubConfig, "port"),
        sets="port",
        check=Check(lambda port: 0 <= port <= 65535, "ports are 0 to 65535"),
        restart=True,
    ),
    Option(
        "--proxy-protocol-from",
        "where balancers connect from, that say by the PROXY protocol, version 2, for whom; may be repeated",
        "NETWORK",
        "list",
        sets="proxy_protocol_from",
        parse=read_balancers,
    ),
    Option("--cert", "certificate chain, PEM", "F", "file", required=True, sets="cert", parse=user_path, check=_MADE),
    Option(
        "--key",
        "private key of the certificate, PEM",
        "F",
        "file",
        required=True,
        sets="key",
        parse=user_path,
        check=_MADE,
    ),
)

LOGINS = (
    Option("--grant-token", "let a principal log in with a token; may be repeated", "P:TOKEN:ROLE,ROLE", "list"),
    Option(
        "--grant-token-file", "file of such grants, one a line, which keeps tokens off the command line", "F", "file"
    ),
    Option("--authorized-keys", "file of principals and their Ed25519 keys, also of hardware tokens", "F", "file"),
    Option(
        "--allow-unbound-keys",
        "principals whose keys may log in as the original's peers do, by proofs that are worth something elsewhere too",
        "PRINCIPAL,...",
        "list",
        sets="allow_unbound_keys",
        parse=parse_unbound_keys,
    ),
    Option(
        "--verify-required",
        "take hardware keys (sk-ssh-ed25519) only where they verified their owner, by a PIN or a finger",
        kind="flag",
        sets="verify_required",
    ),
    Option(
        "--public-url",
        "address at which peers reach the hub, as wss://host:port; may be repeated; keys prove themselves for it alone",
        "URL",
        "list",
        sets="public_urls",
        parse=lambda urls: tuple(map(HubAddress.parse, urls)),
        if_empty="name addresses, or leave it out to take proofs for any",
    ),
    Option(
        "--login-limit",
        "failed logins that are answered, by address and by principal; 0 for no limit",
        "N/min",
        default=DEFAULT_LIMIT,
        sets="login_limit",
        parse=LoginLimit.parse,
    ),
)

TUNNELS = (
    Option(
        "--tunnel-port-range",
        "public ports that tunnels may take; no tunnels if not given",
        "A-B",
        sets="tunnel_ports",
        parse=PortRange.parse,
        restart=True,
    ),
    Option(
        "--tunnel-public-host",
        "host name to tell for tunnels; the hub's own if not given",
        "H",
        sets="tunnel_public_host",
        restart=True,
    ),
    Option(
        "--tunnel-bind-host",
        "address to bind tunnels' ports on; --host if not given",
        "H",
        sets="tunnel_bind_host",
        restart=True,
    ),
    Option(
        "--tunnel-cert",
        "certificate chain for TLS tunnels, apart from the hub's; no TLS tunnels if not given",
        "F",
        "file",
        sets="tunnel_cert",
        parse=user_path,
        check=_MADE,
    ),
    Option(
        "--tunnel-key",
        "private key of --tunnel-cert",
        "F",
        "file",
        sets="tunnel_key",
        parse=user_path,
        check=_MADE,
    ),
    Option(
        "--no-tunnel-tls", "open no TLS tunnels", kind="flag", sets="secure_tunnels", parse=lambda is_off: not is_off
    ),
)

SHORTEST_SILENCE = 1.2 * HEARTBEAT_INTERVAL
"""Seconds of silence that nodes are granted at least: a beat, and its way."""

LIMITS = (
    Option(
        "--heartbeat-timeout",
        "seconds after which a silent node is dropped, at least 12",
        "S",
        "float",
        default_of(HubConfig, "heartbeat_timeout"),
        sets="heartbeat_timeout",
        check=Check(
            lambda seconds: SHORTEST_SILENCE <= seconds < math.inf,
            f"must be at least {SHORTEST_SILENCE:g}: nodes send a heartbeat every {HEARTBEAT_INTERVAL:g} s",
        ),
    ),
    Option(
        "--max-connections",
        "connections at once that have logged in",
        "N",
        "int",
        default_of(EndpointLimits, "max_connections"),
        sets="endpoint.max_connections",
        check=Check(lambda count: count > 0, "must be more than 0"),
    ),
    _strangers(
        "--max-before-login",
        "connections that have not logged in, of all addresses without a good login of late",
        "max_before_login",
    ),
    _strangers(
        "--max-before-login-by-address",
        "the same of each such address (IPv6: of each /64)",
        "max_before_login_by_address",
    ),
    Option(
        "--node-ids",
        "node ids that one principal may register; who joined as a node has its own alone",
        "N",
        "int",
        default_of(HubConfig, "node_ids"),
        sets="node_ids",
        check=at_least(0),
    ),
    Option(
        "--message-timeout",
        "seconds that one message may take to arrive",
        "S",
        "float",
        default_of(HubConfig, "message_timeout"),
        sets="message_timeout",
        check=Check(lambda seconds: 0 < seconds < math.inf, "must be more than 0"),
    ),
    Option(
        "quotas",
        "`[[quotas]]`: other limits for a principal, a role or everybody, see below",
        kind="tables",
        default=(),
        sets="quotas",
        parse=read_quotas,
    ),
)

RECORDS = (
    Option(
        "--state-dir",
        "where the hub keeps what outlives it",
        "DIR",
        "directory",
        sets="state_dir",
        parse=user_path,
        restart=True,
    ),
    Option(
        "--audit-sink",
        f"where audit records go too: {KINDS}; may be repeated",
        "SINK",
        "list",
        sets="audit_sinks",
        parse=read_sinks,
        restart=True,
    ),
    Option(
        "--audit-sink-ca",
        "authorities for the servers of syslog-tls, PEM; the system's if not given",
        "F",
        "file",
        sets="audit_sink_tls.ca",
        parse=user_path,
        restart=True,
    ),
    Option(
        "--audit-sink-cert",
        "certificate that servers of syslog-tls ask for, PEM",
        "F",
        "file",
        sets="audit_sink_tls.cert",
        parse=user_path,
        restart=True,
    ),
    Option(
        "--audit-sink-key",
        "private key of --audit-sink-cert",
        "F",
        "file",
        sets="audit_sink_tls.key",
        parse=user_path,
        restart=True,
    ),
    Option(
        "--audit-commands",
        "what the audit keeps of the command lines of sessions",
        "HOW-MUCH",
        default=AuditedCommands.FULL.value,
        choices=tuple(kept.value for kept in AuditedCommands),
        sets="audit_commands",
        parse=AuditedCommands,
    ),
    Option(
        "--audit-keep",
        "how long audit records are kept, as 90d or 52w; for ever if not given",
        "SPAN",
        sets="audit_retention.max_age",
        parse=lambda text: timedelta(seconds=duration(text)),
    ),
    Option(
        "--audit-max-size",
        "MiB that the audit trail may take, 1024 if not given; 0 for no limit",
        "N",
        "int",
        sets="audit_retention.max_bytes",
        parse=lambda size: size * MIB,
        check=at_least(0, "MiB"),
    ),
    Option("--metrics-token-file", "file with a token that lets /metrics be read", "F", "file"),
    Option(
        "--metrics-from",
        "let everybody on this machine read /metrics without a token, also through a tunnel or proxy on it",
        "WHO",
        choices=("loopback",),
        sets="metrics_from_loopback",
        parse=lambda who: who == "loopback",
    ),
)

CLUSTER = Option(
    "cluster",
    "`[cluster]`: for a hub that is one of several, where the engine is that orders what all hold true",
    kind="tables",
    sets="cluster",
    parse=read_cluster,
    restart=True,
)

NODE_LABELS = Option(
    "nodes",
    "`[nodes.ID.labels]`: labels of a node, a ceiling for what it says of itself",
    kind="tables",
    default={},
    sets="node_labels",
    parse=read_node_labels,
)

RIGHTS = (
    Option(
        "grants",
        "`[[grants]]`: rights that the hub gives and denies by role or principal",
        kind="tables",
        default=(),
        sets="grants",
        parse=read_grants,
    ),
    Option(
        "--list-all-nodes",
        "tell clients of every node, also of those that they may not use",
        kind="flag",
        sets="list_all_nodes",
    ),
    Option(
        "--open-local-tunnels",
        "let everybody open public ports to their own machine",
        kind="flag",
        sets="open_local_tunnels",
    ),
    Option(
        "--open-node-tunnels",
        "let whoever may use a node by its label allow-roles open public ports to it",
        kind="flag",
        sets="open_node_tunnels",
    ),
)

OPTIONS = (
    *(CONFIG, STRICT_MODES, *ADDRESS, *LOGINS, *TUNNELS, *LIMITS, *RECORDS, CLUSTER, NODE_LABELS, *RIGHTS),
    *(LOG_LEVEL, LOG_FORMAT),
)
