"""What the values of the wire's fields may be: marks for declarations, see `model/schema.py`.

A text that has a grammar holds no control characters, no characters that change the direction of text and no white
space but a space, and is no longer than its grammar says. The only texts without a grammar are those that are merely
shown, run, passed on (codes and reasons, unknown ones too) or echoed (request ids).
"""

import re
from collections.abc import Callable, Mapping, Sequence

from omnyshell.ids import MAX_NODE_ID, is_hub_id, is_node_id, is_uid
from omnyshell.model.principals import NODE_PREFIX
from omnyshell.model.schema import Grammar

LOCAL_EXPOSER = "@local"
MAX_PORT = 65535

MAX_PRINCIPAL = len(NODE_PREFIX) + MAX_NODE_ID
"""Characters of a principal's name: a node that joined is called by its id."""

MAX_NAME = 256
"""Characters of a role, and of a host."""

MAX_SECRET = 4096
MAX_BASE64 = 4 * 1024 * 1024
"""Characters of a secret, and of bytes in base64: a hub takes no message that is longer."""

MAX_ROLES = 1024
MAX_FACT = 128
"""Characters of what a node says of its machine."""

INT_END = 2**63


def is_principal(text: str) -> bool:
    """Tell whether `text` can be the name of a principal; every peer applies this rule."""
    return 0 < len(text) <= MAX_PRINCIPAL and text.isprintable()


def is_role(text: str) -> bool:
    """Tell whether `text` can be the name of a role: roles are kept in lists with commas."""
    return 0 < len(text) <= MAX_NAME and text.isprintable() and "," not in text


def is_login(text: str) -> bool:
    """Tell whether `text` can be the name of a user of a node's machine: users are kept in lists with commas."""
    return 0 < len(text) <= MAX_NAME and text.isprintable() and " " not in text and "," not in text


def is_host(text: str) -> bool:
    """Tell whether `text` can be the name or address of a host."""
    return 0 < len(text) <= MAX_NAME and text.isprintable() and " " not in text


def is_setting(text: str) -> bool:
    """Tell whether `text` can stand in a configuration file: one line of printable characters."""
    return text.isprintable()


def is_fact(text: str) -> bool:
    """Tell whether `text` can be what a node says of its machine: one short line, or nothing."""
    return len(text) <= MAX_FACT and text.isprintable()


def _text(pattern: str) -> Callable[[str], bool]:
    """Return a check that a text matches the whole pattern.

    It is compiled at the first use, as most commands read few messages.
    """
    match: Callable[[str], object] | None = None

    def fits(text: str) -> bool:
        nonlocal match
        if match is None:
            match = re.compile(pattern, re.ASCII).fullmatch
        return match(text) is not None

    return fits


def _or_none(fits: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: text == "" or fits(text)


def _int(least: int, end: int) -> Callable[[int], bool]:
    return lambda value: least <= value < end


def _optional(grammar: Grammar) -> Grammar:
    return Grammar(f"{grammar.rule}, or nothing", _or_none(grammar.fits))


def _are_labels(labels: Mapping[str, str]) -> bool:
    return all(key and "=" not in key and is_setting(key) and is_setting(value) for key, value in labels.items())


def _are_roles(roles: Sequence[str]) -> bool:
    return len(roles) <= MAX_ROLES and all(map(is_role, roles))


def _are_principals(names: Sequence[str]) -> bool:
    return len(names) <= MAX_ROLES and all(map(is_principal, names))


NODE_ID = Grammar(f"a node id: 1 to {MAX_NODE_ID} letters, digits, '_', '.' and '-'", is_node_id)
"""1 to 255 of `A-Z a-z 0-9 _ . -`."""

NODE_ID_OR_NONE = _optional(NODE_ID)
EXPOSER_ID = Grammar("a node id or @local", lambda text: text == LOCAL_EXPOSER or is_node_id(text))
"""A node id, or `@local` for a client."""

HUB_ID = Grammar("a hub's id: 1 to 32 lower-case letters, digits and '-'", is_hub_id)
"""1 to 32 of `a-z 0-9 -`, no `-` at either end."""

HUB_ID_OR_NONE = _optional(HUB_ID)
HUB_INVITATION = Grammar("omnyhub- and URL-safe base64", _text("omnyhub-[A-Za-z0-9_-]{1,65536}"))
"""`omnyhub-`, then 1 to 65,536 of the URL-safe base64 alphabet: it stands in a line for a shell."""

HUB_INVITATION_OR_NONE = _optional(HUB_INVITATION)

UID = Grammar("nod_ or hub_ and URL-safe base64", is_uid)
"""`nod_` or `hub_`, then 1 to 251 of the URL-safe base64 alphabet."""

UID_OR_NONE = _optional(UID)
PRINCIPAL = Grammar(f"a name of 1 to {MAX_PRINCIPAL} printable characters", is_principal)
"""1 to 260 printable characters: `node:` and a node id fit."""

PRINCIPAL_OR_NONE = _optional(PRINCIPAL)
LOGIN_OR_NONE = _optional(Grammar(f"a name of 1 to {MAX_NAME} printable characters, no space or comma", is_login))
ROLE = Grammar(f"a name of 1 to {MAX_NAME} printable characters without a comma", is_role)
"""1 to 256 printable characters, none of them a comma."""

ROLES = Grammar(f"up to {MAX_ROLES} names of roles", _are_roles)
"""A list of at most 1,024 roles."""

PRINCIPALS = Grammar(f"up to {MAX_ROLES} names of principals", _are_principals)
"""A list of at most 1,024 principals."""

SESSION_ID = Grammar("a UUID", _text("[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"))
"""A UUID, in any case."""

SESSION_ID_OR_NONE = _optional(SESSION_ID)
SHORT_ID = Grammar("the beginning of an id", _text("[0-9A-Za-z-]{0,36}"))
"""Up to 36 of `A-Z a-z 0-9 -`."""

TUNNEL_ID = Grammar("a URL-safe token", _text("[A-Za-z0-9_-]{1,128}"))
"""1 to 128 of the URL-safe base64 alphabet."""

TUNNEL_ID_OR_NONE = _optional(TUNNEL_ID)
ID = Grammar("an id", _text("[A-Za-z0-9_.:-]{1,128}"))
"""1 to 128 of `A-Z a-z 0-9 _ . : -`."""

WORD = Grammar("a word of up to 64 characters", _text("[A-Za-z0-9_.:-]{1,64}"))
"""1 to 64 of `A-Z a-z 0-9 _ . : -`."""

ADDRESS = Grammar("an address", _text(r"[0-9A-Za-z_.:%\[\]-]{0,128}"))
"""Up to 128 of `A-Z a-z 0-9 _ . : % [ ] -`."""

HOST = Grammar(f"a host of 1 to {MAX_NAME} printable characters", is_host)
"""1 to 256 printable characters, none of them a space."""

HOST_OR_NONE = _optional(HOST)
NONCE = Grammar("a nonce in URL-safe base64", _text("[A-Za-z0-9_-]{1,256}"))
"""1 to 256 of the URL-safe base64 alphabet."""

SECRET = Grammar("a secret of visible characters", _text(f"[!-~]{{1,{MAX_SECRET}}}"))
"""1 to 4,096 visible characters of ASCII."""

SECRET_OR_NONE = _optional(SECRET)
BASE64 = Grammar("base64", _text(f"[A-Za-z0-9+/]{{0,{MAX_BASE64}}}={{0,2}}"))
"""Base64 of the standard alphabet, padded or not: up to 4 MiB of text."""

FINGERPRINT = Grammar("sha256: and 64 hexadecimal digits", _text("sha256:[0-9a-f]{64}"))
"""`sha256:` and 64 hexadecimal digits in lower case."""

FINGERPRINT_OR_NONE = _optional(FINGERPRINT)
SETTINGS = Grammar("labels of printable characters, with names that have no '='", _are_labels)
"""A map of printable texts whose names are not empty and have no `=`, as they are written into a configuration file."""

FACT = Grammar(f"up to {MAX_FACT} printable characters", is_fact)
"""Up to 128 printable characters."""

HUB_URL = Grammar("the URL of a hub, wss://HOST:PORT, of visible characters", _text("wss://[!-~]{1,300}"))
"""`wss://`, and up to 300 visible characters of ASCII."""

PORT = Grammar(f"a port, 1 to {MAX_PORT}", _int(1, MAX_PORT + 1))
"""1 to 65535."""

WEIGHT = Grammar("a weight, 0 to 1000", _int(0, 1001))
"""0 to 1000."""

COUNT = Grammar("0 or more", _int(0, INT_END))
"""0 and more."""

OFFSET = Grammar("a place in a stream", _int(0, 2**62))
"""0 to 2^62 - 1."""

EPOCH = Grammar("an epoch: 0 or more, less than 2^53", _int(0, 2**53))
"""0 to 2^53 - 1."""

CREDIT = Grammar("1 to 2147483647", _int(1, 2**31))
"""1 to 2^31 - 1."""

EXIT_CODE = Grammar("an exit code of 32 bits", _int(-(2**31), 2**32))
"""-2^31 to 2^32 - 1."""

STATUS = Grammar("an HTTP status", _int(0, 1000))
"""0 to 999."""
