"""`omnyshell users`, `tokens` and `keys`: principals in the hub's database, and what they log in with."""

import argparse
import sys

from omnyshell.cli.administer import ask, do, moment, seconds, show
from omnyshell.errors import ConfigException
from omnyshell.protocol.messages.admin import (
    CredentialRevoke,
    KeyAdd,
    PrincipalAdd,
    PrincipalRevoke,
    PrincipalRoles,
    PrincipalsRequest,
    PrincipalsResponse,
    TokenAdd,
    TokenAdded,
    TokenRotate,
)
from omnyshell.security.key_files import public_key_of_ssh

_ID = ""
"""Request ids are chosen when a request is sent."""


def list_users(options: argparse.Namespace) -> int:
    """Print the principals and their credentials."""
    principals = ask(options, PrincipalsRequest(request_id=_ID), PrincipalsResponse).principals
    rows = []
    for found in principals:
        who = (found.principal, ",".join(found.roles) or "-", found.display_name or "-", found.source)
        kept = [(one.id, str(one.kind), one.label or "-", moment(one.expires_at)) for one in found.credentials]
        rows += [(*who, *one) for one in kept or [("-", "-", "-", "-")]]
    header = ("PRINCIPAL", "ROLES", "NAME", "FROM", "ID", "KIND", "LABEL", "EXPIRES (UTC)")
    return show(options, principals, header, rows, "nobody is known")


def add(options: argparse.Namespace) -> int:
    """Add a principal."""
    request = PrincipalAdd(
        request_id=_ID, principal=options.name, display_name=options.display_name or "", roles=tuple(options.role)
    )
    return do(options, request, f"added {options.name}; `omnyshell tokens add {options.name}` makes a token")


def set_roles(options: argparse.Namespace) -> int:
    """Give a principal other roles."""
    request = PrincipalRoles(request_id=_ID, principal=options.name, roles=tuple(options.role))
    return do(options, request, f"{options.name} has the roles {', '.join(options.role) or '(none)'}")


def revoke(options: argparse.Namespace) -> int:
    """Remove a principal, and end what it has open."""
    request = PrincipalRevoke(request_id=_ID, principal=options.name)
    return do(options, request, f"revoked {options.name}: its connections, sessions and tunnels are ended")


def add_token(options: argparse.Namespace) -> int:
    """Make a token, and print it alone on stdout."""
    ttl = seconds(options.ttl, "--ttl") if options.ttl else None
    request = TokenAdd(request_id=_ID, principal=options.name, label=options.label or "", ttl_seconds=ttl)
    return _print_token(ask(options, request, TokenAdded))


def rotate_token(options: argparse.Namespace) -> int:
    """Make a new token in place of one that goes on for a while."""
    overlap = 0 if options.overlap == "0" else seconds(options.overlap, "--overlap")
    request = TokenRotate(request_id=_ID, principal=options.name, credential_id=options.id, overlap_seconds=overlap)
    return _print_token(ask(options, request, TokenAdded))


def add_key(options: argparse.Namespace) -> int:
    """Let a principal log in with a key: its base64, the line that `omnyshell keygen` prints, or OpenSSH's."""
    words = options.key_text.split()
    if not words:
        raise ConfigException("give the key that `omnyshell keygen` printed, or an OpenSSH public key (ssh-ed25519)")
    key = public_key_of_ssh(options.key_text) or (words[1] if len(words) > 1 else words[0])
    request = KeyAdd(request_id=_ID, principal=options.name, public_key=key, label=options.label or "")
    return do(options, request, f"{options.name} may log in with this key")


def revoke_credential(options: argparse.Namespace) -> int:
    """Remove a token or key, and end the connections that logged in with it."""
    request = CredentialRevoke(request_id=_ID, principal=options.name, credential_id=options.id)
    return do(options, request, f"revoked {options.id} of {options.name}; connections made with it are ended")


def _print_token(made: TokenAdded) -> int:
    print(made.token)
    until = f", until {moment(made.expires_at)} UTC" if made.expires_at is not None else ""
    print(f"token {made.credential_id}{until}; the hub keeps only its hash: it is not shown again", file=sys.stderr)
    return 0
