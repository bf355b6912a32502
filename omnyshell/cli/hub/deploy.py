"""`omnyshell cert deploy`: the files of a renewed certificate, where the hub's user can read them.

Certbot keeps each certificate in a directory of links, and its keys for root alone. What is copied is judged before, so
that a hub never finds a pair that cannot serve, and is replaced file by file, both of them whole.
"""

import argparse
import os
import pwd
from pathlib import Path

from omnyshell.cli.ground.output import complain, say
from omnyshell.cli.ground.strict_files import strict_modes
from omnyshell.cli.hub.state import hub_options
from omnyshell.clock import SystemClock
from omnyshell.errors import ConfigException
from omnyshell.extras import needs
from omnyshell.paths import read_file, user_path
from omnyshell.security.cert_chain import Chain, path_of, read_chain
from omnyshell.security.cert_faults import listed, time_faults
from omnyshell.security.cert_names import alternative_names, covers
from omnyshell.security.files import write_together
from omnyshell.transport.connection import HubAddress
from omnyshell.transport.tls import chain_of

CHAIN, KEY = "fullchain.pem", "privkey.pem"
VARIABLE = "RENEWED_LINEAGE"


def deploy(options: argparse.Namespace) -> int:
    """Copy certificate and key to where the hub's configuration names them; a running hub takes them over by itself."""
    source, hub = _source(options), hub_options(options)
    cert, key = user_path(hub.cert), user_path(hub.key)
    if {cert.resolve(), key.resolve()} & {(source / name).resolve() for name in (CHAIN, KEY)}:
        raise ConfigException(
            f"{options.hub_config} names the files of {source} themselves: name others in 'cert' and 'key'"
        )
    strict = strict_modes(options)
    for path in (cert.parent, key.parent, source / CHAIN, source / KEY):
        strict.check(path)
        if not path.exists():
            raise ConfigException(f"there is no {path}")
    pair = _judged(source, [HubAddress.parse(url).host for url in hub.public_url])
    before = _last_of(cert)
    write_together(dict(zip((key, cert), pair, strict=True)), _owner(options.owner, key))
    say(f"{cert} and {key} are of {source} now; a hub that runs takes them over by itself")
    if before not in (None, _last_of(cert)):
        complain(
            "omnyshell: it comes from another authority than the one before: who joined by an invite trusts that one "
            "alone, and is refused until `ca` is taken out of its settings"
        )
    return 0


def _source(options: argparse.Namespace) -> Path:
    said = options.directory or os.environ.get(VARIABLE)
    if not said:
        raise ConfigException(
            f"name the directory of the certificate, or have certbot call this, which sets {VARIABLE}"
        )
    return user_path(said)


def _last_of(cert: Path) -> bytes | None:
    """The certificate at the end of a chain, which invites pin; None where there is none."""
    try:
        return chain_of(cert)[-1]
    except ConfigException:
        return None


def _judged(source: Path, hosts: list[str]) -> tuple[bytes, bytes]:
    """Return key and certificates. Raises `ConfigException` where a hub could not serve these hosts with them."""
    with needs("hub"):
        from omnyshell.services.hub.ground.certificate import load_pair
        from omnyshell.services.hub.ground.watched_files import stamp_of
    cert, key = source / CHAIN, source / KEY
    before = stamp_of(cert), stamp_of(key)
    chain = read_chain(load_pair(cert, key).chain)
    try:
        pair = read_file(key), read_file(cert)
    except OSError as exc:
        raise ConfigException(f"cannot read {exc.filename}: {exc.strerror}") from exc
    if (stamp_of(cert), stamp_of(key)) != before:
        raise ConfigException(f"{cert} or {key} changed while being read")
    _check_meant(cert, chain, hosts)
    return pair


def _check_meant(cert: Path, chain: Chain, hosts: list[str]) -> None:
    """Refuse another site's certificate, for which a hook may be called too, and one whose time it is not."""
    try:
        names = alternative_names(chain[0])
    except ValueError as exc:
        raise ConfigException(f"{cert}: its names cannot be read") from exc
    if hosts and not any(covers(names, host) for host in hosts):
        raise ConfigException(f"{cert} is for {listed(names) or 'no host'}, and the hub is reached as {listed(hosts)}")
    fault = next(time_faults(path_of(chain), SystemClock().now()), None)
    if fault is not None:
        raise ConfigException(f"{cert}: {fault}")


def _owner(name: str | None, key: Path) -> tuple[int, int] | None:
    """The user and group that the files are to belong to; None for our own."""
    try:
        if name is not None:
            found = pwd.getpwnam(name)
            return found.pw_uid, found.pw_gid
        facts = key.stat()
    except KeyError as exc:
        raise ConfigException(f"there is no user '{name}' on this machine").about("owner") from exc
    except FileNotFoundError:
        return None
    return facts.st_uid, facts.st_gid
