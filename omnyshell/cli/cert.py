"""`omnyshell cert gen`, `cert show` and `keygen`."""

import argparse
import getpass
import sys
from pathlib import Path

from omnyshell.cli.asking import ask_passphrase, new_passphrase
from omnyshell.cli.loopback import LOOPBACK
from omnyshell.cli.output import complain, printable
from omnyshell.errors import CertGeneratorException, ConfigException
from omnyshell.paths import config_dir, user_path
from omnyshell.security.cert_generator import HUB_CERT_FILE, CertGenerator
from omnyshell.security.certificates import CertificateIdentity
from omnyshell.security.key_files import check_free
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.client.access import given_access
from omnyshell.services.client.passphrases import as_bytes, open_key, read_passphrase


def generate(options: argparse.Namespace) -> int:
    """Make a certificate for a hub, and the authority that signs it where there is none yet."""
    directory = user_path(options.out)
    before = _names_in(directory / HUB_CERT_FILE, needed=not options.host)
    made = CertGenerator().generate(directory, options.host or before or LOOPBACK, keep_key=True)
    names = _names_in(made.hub_pem_path, needed=True)
    print(f"authority    {made.ca_pem_path}{'' if made.ca_is_new else ' (kept)'}  give it to nodes and clients: --ca")
    print(f"certificate  {made.hub_pem_path}  for the hub: --cert")
    print(f"key          {made.hub_key_path}  for the hub: --key; keep it secret, like {made.ca_key_path.name}")
    print(f"names        {', '.join(names)}")
    if gone := [name for name in before if name not in names]:
        complain(f"omnyshell: whoever reaches the hub as {' or '.join(gone)} is refused now: name all with --host")
    return 0


def _names_in(certificate: Path, *, needed: bool) -> list[str]:
    """The names that a certificate is for; none where there is none yet, or a damaged one whose names nobody needs."""
    if not certificate.exists():
        return []
    try:
        return list(CertificateIdentity.from_file(certificate).names)
    except CertGeneratorException as exc:
        if needed:
            raise ConfigException(f"{exc}; name all hosts with --host") from exc
        return []


def show(options: argparse.Namespace) -> int:
    """Say what a certificate is."""
    found = CertificateIdentity.from_file(user_path(options.file))
    print(f"subject      {printable(found.subject)}")
    print(f"names        {printable(', '.join(found.names)) or '(none)'}")
    print(f"issuer       {printable(found.issuer)}")
    print(f"valid        {found.not_before:%Y-%m-%d %H:%M} to {found.not_after:%Y-%m-%d %H:%M} UTC")
    print(f"fingerprint  {found.fingerprint}")
    return 0


def keygen(options: argparse.Namespace) -> int:
    """Make a key, or read one, and print the line that lets it log in."""
    try:
        principal = options.principal or getpass.getuser()
    except (KeyError, OSError) as exc:
        raise ConfigException("who is the key for? give --principal NAME") from exc
    if principal.startswith("#") or len(principal.split()) != 1 or principal != principal.strip():
        raise ConfigException(f"--principal '{principal}': one word is needed, which does not begin with #")
    # Python has `from` for itself.
    existing = getattr(options, "from")
    key = _read_key(user_path(existing), options) if existing else _new_key(options)
    # The line alone goes to stdout: it may be meant for a file.
    print("For the hub's authorized_keys, with the roles that it shall have:", file=sys.stderr)
    print(f"{principal} {key.public_key.to_base64()} ROLE,ROLE")
    return 0


def _read_key(path: Path, options: argparse.Namespace) -> Ed25519PrivateKey:
    return open_key(path, given_access(options), ask_passphrase)


def _new_key(options: argparse.Namespace) -> Ed25519PrivateKey:
    path = user_path(options.out) if options.out else config_dir() / "omnyshell.key"
    if options.out and not path.parent.is_dir():
        raise ConfigException(f"--out: there is no directory {path.parent}")
    check_free(path)
    passphrase = None
    if options.passphrase or options.key_passphrase_file:
        passphrase = read_passphrase(given_access(options))[0] or as_bytes(new_passphrase())
    key = Ed25519PrivateKey.generate()
    key.save(path, passphrase=passphrase)
    print(f"key          {path}  to log in with: --key", file=sys.stderr)
    return key
