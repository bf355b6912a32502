"""Advice about a refusal, by its code and by the command."""

from shlex import quote

from omnyshell.errors import (
    AuthException,
    AuthorizationException,
    ErrorCodes,
    OmnyShellException,
    Remedy,
    SessionRejectedException,
    TunnelRejectedException,
)

_ALLOW_COMMAND = "its operator says with --allow-command or [[commands]] what may be run there"
_WHOSE = "its operator says in [users] who becomes whom"
_CONNECTED = "`omnyshell nodes list` shows who is connected"
_ADMIN = {
    "not_authorized": "it takes the role admin; `omnyshell whoami` shows your roles",
    "capacity_exceeded": "try again later",
    "ambiguous": "give more of it",
}
_CREDENTIALS = {"not_found": "`omnyshell users list` shows principals, tokens and keys"}
_AGENT = {"forbidden": "its operator allows it with --allow-agent"}
_IDS = {"not_found": "`omnyshell nodes known` shows node ids"}

_ANY = {
    "auth_failed": "check --principal and the token or key, or run `omnyshell login`",
    "unknown_node": _CONNECTED,
    "node_offline": _CONNECTED,
    "tunnel_disabled": "start the hub with --tunnel-port-range A-B",
    "secure_unavailable": "leave out --tls, or give the hub the pair for tunnels that `omnyshell cert gen` makes",
    "unsupported_protocol": "leave out --http",
    "unsupported": "let its operator name targets with --tunnel-allow, or update the node",
    "port_out_of_range": "leave out --public-port, or ask for one within the hub's --tunnel-port-range",
    "port_in_use": "leave out --public-port, or choose another",
    "capacity_exceeded": "try again later, or raise --max-sessions on the node",
}
REMEDIES = {
    Remedy.ACCEPT_KEY: "if that is right, `omnyshell ssh-config --accept NODE` accepts what it shows next",
    Remedy.ALLOW_UNBOUND: "--allow-unbound allows it",
    Remedy.BEGIN_ANOTHER_LOG: "--force goes on all the same, and what the copy lacks is lost",
    Remedy.CHOOSE_ADDRESS: "`omnyshell up --host ADDRESS` writes it anew",
    Remedy.COPY_NEWER_STATE: "restore with its hub.sqlite3 (--copy FILE), or lose the rest by --force",
    Remedy.GIVE_BACKUP_KEY: "give --key FILE, which `hub backup --make-key` wrote",
    Remedy.GIVE_CREDENTIAL: "give --key (a file, or agent) or --token-file, or save a login with `omnyshell login`",
    Remedy.LEAVE_OUT_KEY: "leave out --key",
    Remedy.LET_OTHERS_WRITE: "or give --strict-modes false, or OMNYSHELL_STRICT_MODES=false, where that has to be so",
    Remedy.MAKE_SSH_KEY: "`omnyshell ssh-config` makes one",
    Remedy.MAKE_BACKUP_KEY: "`omnyshell hub backup --make-key FILE` makes one, and prints its public part",
    Remedy.MOVE_OLD_FILES: "--force does that",
    Remedy.NAME_AGENT_KEY: "--key agent:COMMENT names one",
    Remedy.NAME_AUTHORITY: "--ca FILE names it",
    Remedy.NAME_HUB: "give --hub URL or set OMNYSHELL_HUB, or save one with `omnyshell login`",
    Remedy.NAME_PRINCIPAL: "give --principal NAME, or save a login with `omnyshell login`, whose --list shows them",
    Remedy.NAME_SIGNER: "give --hub-config, or --cert and --key",
    Remedy.OTHER_PLACE: "give --out DIR or --id",
    Remedy.OTHER_STATE_DIR: "give --state-dir DIR",
    Remedy.REPLACE_FILE: "--force replaces it",
    Remedy.START_HUB_HERE: "`omnyshell up` starts one on this machine",
}
"""The command line's wording of each remedy."""

_ASKED: dict[tuple[str, ...], dict[str, str]] = {
    ("access",): _ADMIN | {"not_found": _CONNECTED},
    ("events",): _ADMIN,
    ("top",): _ADMIN,
    ("hub",): _ADMIN,
    ("cp",): {
        "link_lost": "the same command again goes on where it stopped",
        **dict.fromkeys(("no_room", "no_quota"), "make room there: the same command again goes on where it stopped"),
    },
    ("forwards",): {"not_found": "`omnyshell forwards list` shows yours"},
    ("connect",): _AGENT,
    ("exec",): _AGENT,
    ("forward",): {"forbidden": "its operator names targets with --tunnel-allow"},
    ("hub", "drop"): {"not_found": "`omnyshell hub peers` shows connections; give the whole id"},
    ("hub", "close-session"): {
        "not_found": "`omnyshell hub sessions` shows them; a detached one needs --node and --owner"
    },
    ("hub", "close-tunnel"): {"not_found": "`omnyshell top` and `omnyshell events --part tunnels` show tunnels"},
    ("node", "join"): {
        "bad_id": "give --id",
        "id_taken": "or give another --id",
        "other_kind": "`omnyshell login --join` takes it",
    },
    ("login",): {"other_kind": "`omnyshell node join` takes it"},
    ("invites",): _ADMIN | {"not_found": "`omnyshell invites list` shows those that can be used"},
    ("keys",): _ADMIN | _CREDENTIALS,
    ("locks",): _ADMIN,
    ("nodes", "invite"): _ADMIN,
    ("nodes", "known"): _ADMIN,
    ("nodes", "label"): _ADMIN | _IDS,
    ("nodes", "release"): _ADMIN | _IDS,
    ("sessions",): {"not_found": "`omnyshell sessions list NODE` shows yours"},
    ("tokens",): _ADMIN | _CREDENTIALS,
    ("tunnel",): {"not_found": "`omnyshell tunnel list` shows yours"},
    ("users",): _ADMIN | _CREDENTIALS,
}
"""Advice that takes precedence over `_ANY`, by a command's words or their beginning."""


def advice(error: OmnyShellException, words: tuple[str, ...], node: str = "") -> str:
    """Return advice about an error of the command with these words; "" if there is none.

    `node` is the one that the command was about.
    """
    if error.remedy is not None:
        return REMEDIES[error.remedy].replace(" NODE`", f" {node}`" if node else " NODE`")
    for asked in (words, words[:1]):
        if error.code in (found := _ASKED.get(asked, {})):
            return found[error.code]
    is_refused = isinstance(error, SessionRejectedException | TunnelRejectedException | AuthorizationException)
    if error.code == ErrorCodes.NOT_AUTHORIZED and is_refused:
        return _about_node(str(error)) if str(error).startswith("This node") else _about_rights(str(error), node)
    step = _ANY.get(error.code, "")
    return _about_login(error, step) if step and isinstance(error, AuthException) else step


def _about_login(error: AuthException, step: str) -> str:
    """Advise whose login was refused: which part of it was wrong, no hub says."""
    if error.public_key:
        step += f"; a key that it does not know yet an admin adds: `{_adding(error)}`"
    if error.address:
        step += f"; or the hub takes no logins for {error.address}: its operator names addresses by --public-url"
    return step


def _adding(error: AuthException) -> str:
    """Return the command that lets the key that was offered log in."""
    key = error.public_key
    if error.application:
        # Loaded where it is needed alone: commands start fast without.
        from omnyshell.security.keys import decode_base64_lenient
        from omnyshell.security.public_keys import SecurityKey, in_ssh_form

        key = in_ssh_form(SecurityKey(decode_base64_lenient(key), error.application))
    return f"omnyshell keys add {quote(error.principal)} {quote(key)}"


def _about_node(refusal: str) -> str:
    """Advise who was refused by the node, which uses the hub's code and begins with "This node", as no hub does."""
    if "[users]" in refusal:
        # One that runs as root says itself what its operator may write.
        return _WHOSE if refusal.startswith("This node has no [users]") else ""
    return _ALLOW_COMMAND


def _about_rights(refusal: str, node: str) -> str:
    """Advise `omnyshell access` if the refusal has a reason after a colon; otherwise the hub would not explain it."""
    if ": " not in refusal:
        return "ask an administrator of this hub"
    return f"`omnyshell access {node or 'NODE'}` says what you may do there, and why"
