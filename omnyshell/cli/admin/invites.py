"""`omnyshell nodes invite`, `users invite`, `invites list` and `invites revoke`: joining with one pasted line."""

import argparse
from pathlib import Path

from omnyshell.cli.admin.question import ask, ask_and_say_where, do, moment, optional_seconds, seconds, show
from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import complain, say, say_json
from omnyshell.errors import ConfigException
from omnyshell.model.admin import InviteKind
from omnyshell.options.values import parse_pairs
from omnyshell.protocol.messages.admin import (
    InviteCreate,
    InviteCreated,
    InviteRevoke,
    InvitesRequest,
    InvitesResponse,
)
from omnyshell.security.files import write_private
from omnyshell.services.client.invites import join_line


def invite_node(options: argparse.Namespace) -> int:
    """Print the line that makes another machine a node."""
    request = InviteCreate(
        request_id="",
        kind=InviteKind.NODE,
        node_id=options.id,
        labels=parse_pairs(options.label, "--label"),
        ttl_seconds=seconds(options.ttl, "--ttl"),
        key_ttl_seconds=optional_seconds(options, "key_ttl"),
        uses=options.uses,
        id_prefix=options.id_prefix,
    )
    return _invite(options, InviteKind.NODE, request)


def invite_user(options: argparse.Namespace) -> int:
    """Print the line that lets a person log in."""
    request = InviteCreate(
        request_id="",
        kind=InviteKind.USER,
        principal=options.name,
        display_name=options.display_name or "",
        roles=tuple(options.role),
        ttl_seconds=seconds(options.ttl, "--ttl"),
        role_ttl_seconds=optional_seconds(options, "role_ttl"),
        key_ttl_seconds=optional_seconds(options, "key_ttl"),
    )
    return _invite(options, InviteKind.USER, request)


def list_invites(options: argparse.Namespace) -> int:
    """Print the invites that can still be used."""
    invites = ask(options, InvitesRequest(request_id=""), InvitesResponse).invites
    rows = [
        (
            one.invite_id,
            one.kind,
            one.node_id or one.principal or (f"{one.id_prefix}*" if one.id_prefix else "(any)"),
            str(1 if one.uses_left is None else one.uses_left),
            ",".join(one.roles) or "-",
            one.created_by,
            moment(one.expires_at),
        )
        for one in invites
    ]
    header = ("INVITE", "KIND", "FOR", "USES LEFT", "ROLES", "BY", "EXPIRES (UTC)")
    return show(options, invites, header, rows, "no invite can be used")


def revoke(options: argparse.Namespace) -> int:
    """Make an invite useless."""
    return do(options, InviteRevoke(request_id="", invite_id=options.id), f"invite {options.id} is worth nothing now")


def _invite(options: argparse.Namespace, kind: InviteKind, request: InviteCreate) -> int:
    from omnyshell.cli.admin.reach import address_for_others

    file = Path(options.out) if options.out else None
    if file is not None and file.exists():
        raise ConfigException(f"{file} is there already").about("out")
    dialled = access_from(options).address
    named = address_for_others(dialled)
    made, answered = ask_and_say_where(options, request, InviteCreated)
    # Where the hub that was dialled is away, another one has answered, which is there for whoever joins.
    line = join_line(kind, named if answered == dialled else answered, made)
    if options.json:
        say_json({**made.to_wire(), "requestId": None, "command": line})
    elif file is None:
        say(line)
    if file is not None:
        write_private(file, f"{line}\n".encode())
        complain(f"the line is in {file.resolve()}, which only you can read: `sh FILE` runs it there")
    return 0 if options.json else _say_how_long(options, made)


def _say_how_long(options: argparse.Namespace, made: InviteCreated) -> int:
    uses = getattr(options, "uses", None) or 1
    often = f"good for {uses} machines" if uses > 1 else "good once"
    complain(f"{often}, until {moment(made.expires_at)} UTC; `omnyshell invites revoke {made.invite_id}`")
    if not options.out:
        complain("without OMNYSHELL_TOKEN=... before it, the command asks for the token")
    return 0
