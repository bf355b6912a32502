"""`omnyshell cert gen`, `cert show` and `keygen`."""

import argparse
import getpass
from pathlib import Path

from omnyshell.cli.ground.output import complain, printable, say
from omnyshell.cli.ground.prompts import ask_passphrase, new_passphrase
from omnyshell.clock import SystemClock
from omnyshell.errors import CertGeneratorException, ConfigException
from omnyshell.hosts import LOOPBACK
from omnyshell.paths import config_dir, read_file, user_path
from omnyshell.security.cert_chain import is_authority, read_chain, system_authorities
from omnyshell.security.cert_faults import OF_SERVERS, faults_of
from omnyshell.security.cert_generator import HUB_CERT_FILE, CertGenerator, GeneratedPair
from omnyshell.security.certificates import CertificateIdentity
from omnyshell.security.key_files import check_free
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.security.public_keys import SecurityKey, in_ssh_form, public_key_of_ssh
from omnyshell.services.client.access import given_access
from omnyshell.services.client.passphrases import as_bytes, open_key, read_passphrase
from omnyshell.transport.tls import chain_of


def generate(options: argparse.Namespace) -> int:
    """Make certificates for a hub and for its tunnels, and the authorities that sign them where there are none yet."""
    directory = user_path(options.out)
    before = _names_in(directory / HUB_CERT_FILE, needed=not options.host)
    made = CertGenerator().generate(directory, options.host or before or LOOPBACK, keep_key=True)
    names = _names_in(made.hub_pem_path, needed=True)
    _print_pair(made.hub, "give it to nodes and clients: --ca", "--")
    say(f"names        {', '.join(names)}")
    say("For tunnels with TLS, of an authority of their own:")
    _print_pair(made.tunnels, "for browsers that use tunnels, never for --ca", "--tunnel-")
    if gone := [name for name in before if name not in names]:
        complain(f"omnyshell: whoever reaches the hub as {' or '.join(gone)} is refused now: name all with --host")
    return 0


def _print_pair(pair: GeneratedPair, use: str, options: str) -> None:
    say(f"authority    {pair.ca_pem_path}{'' if pair.ca_is_new else ' (kept)'}  {use}")
    say(f"certificate  {pair.pem_path}  for the hub: {options}cert")
    say(f"key          {pair.key_path}  for the hub: {options}key; keep it secret, like {pair.ca_key_path.name}")


def _names_in(certificate: Path, *, needed: bool) -> list[str]:
    """The names in a certificate; empty if there is no file yet, or, unless `needed`, if it is damaged."""
    if not certificate.exists():
        return []
    try:
        return list(CertificateIdentity.from_file(certificate).names)
    except CertGeneratorException as exc:
        if needed:
            raise ConfigException(f"{exc}; name all hosts with --host") from exc
        return []


def show(options: argparse.Namespace) -> int:
    """Print what a certificate contains, and its faults."""
    path = user_path(options.file)
    found = CertificateIdentity.from_file(path)
    say(f"subject      {found.subject}")
    say(f"names        {printable(', '.join(found.names)) or '(none)'}")
    say(f"issuer       {found.issuer}")
    say(f"valid        {found.not_before:%Y-%m-%d %H:%M} to {found.not_after:%Y-%m-%d %H:%M} UTC")
    say(f"fingerprint  {found.fingerprint}")
    for fault in _faults_in(path):
        say(f"problem      {fault}")
    return 0


def _faults_in(path: Path) -> list[str]:
    """Return the faults for which clients refuse it, worded as a hub words them."""
    chain = read_chain(chain_of(path))
    found = faults_of(chain, SystemClock().now(), system=system_authorities, is_start=True)
    if is_authority(chain[0]):
        # An authority's certificate is not presented as a server's, so faults of servers do not apply.
        found = [fault for fault in found if fault.kind not in OF_SERVERS]
    return [str(fault) for fault in found]


def keygen(options: argparse.Namespace) -> int:
    """Make a key, or read one, and print the line that lets it log in."""
    try:
        principal = options.principal or getpass.getuser()
    except (KeyError, OSError) as exc:
        raise ConfigException("who is the key for? give --principal NAME") from exc
    if principal.startswith("#") or len(principal.split()) != 1 or principal != principal.strip():
        raise ConfigException(f"--principal '{principal}': one word is needed, which does not begin with #")
    # `from` is a keyword of Python.
    existing = getattr(options, "from")
    key = _public_key_in(user_path(existing), options) if existing else _new_key(options).public_key.to_base64()
    # Only the line goes to stdout, which may be redirected to a file.
    complain("For the hub's authorized_keys, with the roles that it shall have:")
    say(f"{principal} {key} ROLE,ROLE")
    return 0


def _public_key_in(path: Path, options: argparse.Namespace) -> str:
    """The public key in a private key's file, or one of OpenSSH's `.pub` files, as `authorized_keys` has it."""
    try:
        public = public_key_of_ssh(read_file(path).decode(errors="replace"))
    except OSError as exc:
        raise ConfigException(f"cannot read {path}: {exc.strerror}") from exc
    if isinstance(public, SecurityKey):
        return in_ssh_form(public)
    key = public or open_key(path, given_access(vars(options)), ask_passphrase).public_key
    return key.to_base64()


def _new_key(options: argparse.Namespace) -> Ed25519PrivateKey:
    path = user_path(options.out) if options.out else config_dir() / "omnyshell.key"
    if options.out and not path.parent.is_dir():
        raise ConfigException(f"--out: there is no directory {path.parent}")
    check_free(path)
    passphrase = None
    if options.passphrase or options.key_passphrase_file:
        passphrase = read_passphrase(given_access(vars(options)))[0] or as_bytes(new_passphrase())
    key = Ed25519PrivateKey.generate()
    key.save(path, passphrase=passphrase)
    complain(f"key          {path}  to log in with: --key")
    return key
