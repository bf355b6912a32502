"""The names that nodes have for ssh."""

import argparse
import re

from omnyshell.cli.ground.output import printable
from omnyshell.errors import ConfigException
from omnyshell.ids import is_node_id
from omnyshell.services.client.ssh.known_hosts import DOMAIN

_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def node_of(host: str, domain: str) -> str:
    """Return the node that a host's name means. Raises `ConfigException` where it means none."""
    node = without_domain(host, domain)
    if not is_node_id(node):
        raise ConfigException(f"'{printable(host)}' names no node")
    return node


def without_domain(host: str, domain: str) -> str:
    """Return a host's name without the domain, in whatever letters it ends in that."""
    name, suffix = host[: -len(domain) - 1], host[-len(domain) - 1 :]
    return name if suffix.lower() == f".{domain}".lower() else host


def domain_of(options: argparse.Namespace) -> str:
    """Return what names of nodes end in. Raises `ConfigException` for what is no domain."""
    domain: str = options.domain or DOMAIN
    if not _DOMAIN.fullmatch(domain):
        raise ConfigException(f"'{printable(domain)}' is no domain")
    return domain
