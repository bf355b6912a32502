"""`omnyshell users`, `tokens` and `keys`: principals in the hub's database, and their credentials."""

import argparse

from omnyshell.cli.admin.question import ask, do, end, moment, optional_seconds, seconds, show
from omnyshell.cli.ground.output import complain, say
from omnyshell.errors import ConfigException
from omnyshell.model.admin import PrincipalInfo
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
from omnyshell.security.public_keys import SecurityKey, public_key_of_ssh

_ID = ""
"""A placeholder: request ids are chosen when a request is sent."""


def list_users(options: argparse.Namespace) -> int:
    """Print the principals and their credentials."""
    principals = ask(options, PrincipalsRequest(request_id=_ID), PrincipalsResponse).principals
    rows = []
    for found in principals:
        who = (found.principal, _roles(found), found.display_name or "-", found.source)
        kept = [(one.id, str(one.kind), one.label or "-", end(one.expires_at)) for one in found.credentials]
        rows += [(*who, *one) for one in kept or [("-", "-", "-", "-")]]
    header = ("PRINCIPAL", "ROLES", "NAME", "FROM", "ID", "KIND", "LABEL", "EXPIRES (UTC)")
    return show(options, principals, header, rows, "nobody is known")


def add(options: argparse.Namespace) -> int:
    """Add a principal."""
    request = PrincipalAdd(
        request_id=_ID,
        principal=options.name,
        display_name=options.display_name or "",
        roles=tuple(options.role),
        ttl_seconds=optional_seconds(options, "ttl"),
    )
    has = f" (`omnyshell tokens add {options.name}` makes a token)"
    if options.ttl:
        has += f" with the roles {', '.join(options.role)}"
    return do(options, request, f"added {options.name}{has}")


def set_roles(options: argparse.Namespace) -> int:
    """Give a principal other roles, or more of them for a time."""
    ttl = optional_seconds(options, "ttl")
    request = PrincipalRoles(request_id=_ID, principal=options.name, roles=tuple(options.role), ttl_seconds=ttl)
    also = "also " if ttl is not None else ""
    return do(options, request, f"{options.name} {also}has the roles {', '.join(options.role) or '(none)'}")


def revoke(options: argparse.Namespace) -> int:
    """Remove a principal, and end its connections, sessions and tunnels."""
    request = PrincipalRevoke(request_id=_ID, principal=options.name)
    return do(options, request, f"revoked {options.name}: its connections, sessions and tunnels are ended")


def add_token(options: argparse.Namespace) -> int:
    """Make a token, and print it alone on stdout."""
    ttl = optional_seconds(options, "ttl")
    request = TokenAdd(request_id=_ID, principal=options.name, label=options.label or "", ttl_seconds=ttl)
    return _print_token(ask(options, request, TokenAdded))


def rotate_token(options: argparse.Namespace) -> int:
    """Make a token that replaces another one, which stays valid for a while."""
    overlap = 0 if options.overlap == "0" else seconds(options.overlap, "--overlap")
    request = TokenRotate(
        request_id=_ID,
        principal=options.name,
        credential_id=options.id,
        overlap_seconds=overlap,
        ttl_seconds=optional_seconds(options, "ttl"),
    )
    return _print_token(ask(options, request, TokenAdded))


def add_key(options: argparse.Namespace) -> int:
    """Let a principal log in with a key: its base64, the line that `omnyshell keygen` prints, or OpenSSH's."""
    words = options.key_text.split()
    if not words:
        raise ConfigException(
            "give the key that `omnyshell keygen` printed, or an OpenSSH public key ([sk-]ssh-ed25519)"
        )
    # Behind the principal, as in the line that `keygen` prints, or alone.
    key = public_key_of_ssh(options.key_text) or public_key_of_ssh(" ".join(words[1:]))
    request = KeyAdd(
        request_id=_ID,
        principal=options.name,
        public_key=key.to_base64() if key is not None else words[1] if len(words) > 1 else words[0],
        application=key.application if isinstance(key, SecurityKey) else None,
        label=options.label or "",
        ttl_seconds=optional_seconds(options, "ttl"),
    )
    return do(options, request, f"{options.name} may log in with this key")


def revoke_credential(options: argparse.Namespace) -> int:
    """Remove a token or key, and end the connections that logged in with it."""
    request = CredentialRevoke(request_id=_ID, principal=options.name, credential_id=options.id)
    return do(options, request, f"revoked {options.id} of {options.name}; connections made with it are ended")


def _roles(found: PrincipalInfo) -> str:
    ends = {timed.role: f" (until {moment(timed.expires_at)})" for timed in found.timed_roles}
    return ",".join(f"{role}{ends.get(role, '')}" for role in found.roles) or "-"


def _print_token(made: TokenAdded) -> int:
    say(made.token)
    until = f", until {moment(made.expires_at)} UTC" if made.expires_at is not None else ""
    complain(f"token {made.credential_id}{until}; the hub keeps only its hash: it is not shown again")
    return 0
