"""The environment of a restricted program."""

import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.model.sessions import PtySpec
from omnyshell.services.node.backend import ShellRequest
from omnyshell.services.node.environment import DEFAULT_LANG, DEFAULT_PATH, account, can_enter, check_variable
from omnyshell.services.node.restriction.trust import NotTrustedException, trusted_directory
from omnyshell.services.node.restriction.variables import value_flaw, variables_of

NO_PROGRAM = "false"

HARMLESS = {
    # Programs that start the user's shell get none.
    "SHELL": "/bin/false",
    # Pagers print, and do nothing else.
    **dict.fromkeys(("PAGER", "MANPAGER", "GIT_PAGER", "SYSTEMD_PAGER", "HGPAGER", "PSQL_PAGER"), "cat"),
    **dict.fromkeys(("AWS_PAGER", "BAT_PAGER", "DELTA_PAGER", "GH_PAGER"), "cat"),
    "SYSTEMD_PAGERSECURE": "1",
    "LESSSECURE": "1",
    "LESSHISTFILE": "-",
    # Editors and dialogs fail.
    **dict.fromkeys(("EDITOR", "VISUAL", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "SYSTEMD_EDITOR"), NO_PROGRAM),
    **dict.fromkeys(("SUDO_EDITOR", "PSQL_EDITOR", "HGEDITOR", "SVN_EDITOR", "FCEDIT", "BROWSER"), NO_PROGRAM),
    **dict.fromkeys(("GIT_ASKPASS", "SSH_ASKPASS", "SUDO_ASKPASS"), NO_PROGRAM),
    # Git reads only its repository's configuration, and never prompts.
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "HGPLAIN": "1",
}
"""Variables that keep programs from running others, writing files unasked, or prompting."""

_LOCALE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_TERM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


NO_HOME = "/"


def home_flaw() -> str:
    """Return why programs do not get the home of the node's user, checked now; "" if they do."""
    home = account().home
    try:
        trusted_directory(home)
    except NotTrustedException as exc:
        return str(exc)
    except (OSError, ValueError) as exc:
        return f"{home}: {getattr(exc, 'strerror', None) or exc}"
    return "" if can_enter(home) else f"{home} cannot be entered"


def trusted_home() -> str:
    """Return the home of the node's user, or `/` if others can write to it: programs obey files in their home."""
    return NO_HOME if home_flaw() else account().home


def fixed_environment(home: str) -> dict[str, str]:
    """Return the variables of every restricted program. Of the node's own environment it has `LANG` at most."""
    who = account()
    lang = os.environ.get("LANG", "")
    return {
        "HOME": home,
        "USER": who.name,
        "LOGNAME": who.name,
        "LANG": lang if _LOCALE.fullmatch(lang) else DEFAULT_LANG,
        "PATH": DEFAULT_PATH,
        **HARMLESS,
    }


def restricted_environment(
    request: ShellRequest, allowed: Iterable[str], refused: Iterable[str], home: str
) -> dict[str, str]:
    """Return a program's variables: the fixed ones, and those of the request that are allowed and not refused.

    The others are left out. Raises `SessionRejectedException` for a variable that no environment can hold, for a value
    that the rule does not allow, and for an invalid terminal type.
    """
    env = fixed_environment(home)
    values, patterns = variables_of(allowed), tuple(refused)
    for name, value in request.env.items():
        check_variable(name, value)
        if name not in values or any(fnmatchcase(name, pattern) for pattern in patterns):
            continue
        if flaw := value_flaw(value, values[name]):
            raise SessionRejectedException(f"The variable {name} {flaw}", code=ErrorCodes.BAD_REQUEST)
        env[name] = value
    if request.wants_pty:
        env["TERM"] = (request.pty or PtySpec()).term
    if "TERM" in env and not _TERM.fullmatch(env["TERM"]):
        raise SessionRejectedException("That is no type of a terminal", code=ErrorCodes.BAD_REQUEST)
    return env
