"""Which of an agent's keys is meant: `agent`, `agent:COMMENT` or `agent:SHA256:...`."""

from collections.abc import Iterable, Sequence

from omnyshell.errors import Remedy
from omnyshell.printable import printable
from omnyshell.security.agent.agent import AgentException
from omnyshell.security.agent.wire import Identity
from omnyshell.security.public_keys import PublicKey, fingerprint

_MOST_NAMED, _LONGEST = 10, 64
"""How many keys an error names, and how many characters it quotes of a name."""


def chosen(identities: Sequence[Identity], wanted: str, known: str = "") -> tuple[Identity, PublicKey]:
    """Return the key that is wanted by its comment or fingerprint; `known` is the fingerprint that it must have.

    Raises `AgentException`, which says what to do.
    """
    if not identities:
        raise AgentException("the agent holds no key: `ssh-add` gives it one; if it is locked, `ssh-add -X` unlocks it")
    usable = [(each, each.key) for each in identities if each.key is not None]
    if not usable:
        raise AgentException("the agent holds no Ed25519 key (ssh-ed25519, sk-ssh-ed25519), and others cannot log in")
    if known:
        return _known(usable, wanted, known)
    found = [(each, key) for each, key in usable if wanted in ("", each.comment, fingerprint(key))]
    if not found:
        named = printable(wanted, _LONGEST)
        raise AgentException(f"the agent holds no Ed25519 key '{named}'; it holds {_names(usable)}")
    if len(found) > 1:
        which = f"{len(found)} keys '{printable(wanted, _LONGEST)}'" if wanted else "several keys"
        raise AgentException(f"the agent holds {which}: {_names(found)}").advising(Remedy.NAME_AGENT_KEY)
    return found[0]


def _known(usable: Iterable[tuple[Identity, PublicKey]], wanted: str, known: str) -> tuple[Identity, PublicKey]:
    for each, key in usable:
        if fingerprint(key) == known:
            return each, key
    named = f" '{printable(wanted, _LONGEST)}'" if wanted else ""
    raise AgentException(f"the agent does not hold the key{named} of this login, {known}: `ssh-add` it, or log in anew")


def _names(keys: Sequence[tuple[Identity, PublicKey]]) -> str:
    comments = [each.comment for each, _ in keys]
    # A comment that is empty, or that two keys have, names none.
    names = [
        f"'{printable(each.comment, _LONGEST)}'"
        if each.comment and comments.count(each.comment) == 1
        else fingerprint(key)
        for each, key in keys[:_MOST_NAMED]
    ]
    return ", ".join(names) + (f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else "")
