"""Which variables a rule may let a request set, and to which values."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from omnyshell.services.node.environment import OWN_VARIABLES
from omnyshell.services.node.restriction.escapes import escapes_of
from omnyshell.services.node.restriction.wildcards import matches, pattern_flaw

DANGEROUS = (
    # Variables with these endings name files, programs, their options, or machines to connect through.
    *("*PATH", "*DIR", "*DIRS", "*_FILE", "*_FILES", "*HOME", "*_ROOT", "*_PREFIX", "*_CONFIG", "*_CONF", "*RC"),
    *("*_CNF", "*_LIB", "*_LIBS", "*_LIBRARY", "*_MODULE", "*_MODULES", "*_PLUGIN", "*_PLUGINS", "*_AGENT"),
    *("*_COMMAND", "*_CMD", "*_WRAPPER", "*_SHELL", "*_EXEC", "*_PROGRAM", "*_HOOK", "*_HOOKS", "*_INIT", "*_STARTUP"),
    *("*_OPT", "*_OPTS", "*_OPTIONS", "*_ARGS", "*FLAGS", "*_PROXY", "*_RSH", "*_SSH", "*_SOCK", "*_SOCKET", "*_LOG"),
    *("*PAGER*", "*EDIT*", "*ASKPASS*", "*BROWSER*", "*PRELOAD*"),
    # Where programs, libraries, interpreters and locales are found.
    *("USER", "LOGNAME", "LD_*", "DYLD_*", "GLIBC_*", "MALLOC_*", "LANGUAGE", "TERMINFO*", "TERMCAP", "TMP", "TEMP"),
    *("XDG_*", "RES_OPTIONS", "HOSTALIASES", "LOCALDOMAIN", "GCONV_*", "PWD", "OLDPWD", "LISTEN_*"),
    # Shells.
    *("SHELL*", "ENV", "BASH*", "IFS", "PS[0-9]", "HIST*", "PROMPT*", "ZDOTDIR", "KSH*", "FISH_*", "_"),
    # Interpreters and what builds with them.
    *("PYTHON*", "PERL*", "RUBY*", "GEM_*", "BUNDLE_*", "NODE_*", "NPM_*", "LUA_*", "PHP*", "TCL*", "AWK*", "R_*"),
    *("*JAVA*", "JDK_*", "JVM_*", "MAKE*", "CC", "CXX", "CARGO*", "RUST*", "GO*", "GCC_*", "DOTNET_*", "COREHOST_*"),
    # Pagers and editors.
    *("VISUAL", "LESS*", "MORE*", "MAN*", "EXINIT", "VIM*", "NVIM*", "EMACS*"),
    # Programs that others start, and files that they obey or write.
    *("GIT*", "HG*", "SVN_*", "CVS*", "RSYNC_*", "SSH_*", "SYSTEMD_*", "DBUS_*", "SUDO_*", "DOCKER_*", "KUBE*"),
    *("AWS_*", "ANSIBLE*", "PSQL*", "PG*", "MYSQL*", "NETRC", "MAIL*", "OPENSSL_*", "SSL*", "APT_*", "DPKG_*", "RPM_*"),
    # Files that libraries read, write or load.
    *("GIO_*", "G_*", "DEBUGINFOD_*", "FONTCONFIG_*", "GST_*", "P11_*", "PKCS11*", "SASL_*", "LDAP*", "NSS_*"),
    *("KRB5*", "GNUPG*", "GPG_*", "GTK_*", "QT_*", "DISPLAY", "XAUTHORITY", "WAYLAND_*", "TMUX*", "STY", "SCREEN*"),
)
"""Patterns of names, in capitals, that no rule may let a request set: each can make some program run or read what the
value names.

The list helps authors of rules, and is no security boundary: a program may have others (see docs/security.md).
"""

LONGEST_VALUE = 256
"""Characters of a variable's value."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VALUE = re.compile(r"[ -~]*")


def variable_flaw(said: str) -> str:
    """Return why a rule may not let a request set a variable, given as `NAME` or `NAME=PATTERN`; "" if it may."""
    name, _, pattern = said.partition("=")
    if not _NAME.fullmatch(name):
        return "is no variable's name; wildcards are none either"
    if any(fnmatchcase(name.upper(), forbidden) for forbidden in (OWN_VARIABLES, *DANGEROUS)):
        return "can make programs run or obey what a request says, and cannot be let through"
    return pattern_flaw(pattern)


def variables_of(said: Iterable[str]) -> dict[str, str | None]:
    """Parse a rule's variables: patterns by names, None for a name without a pattern."""
    parts = (text.partition("=") for text in said)
    return {name: pattern if equals else None for name, equals, pattern in parts}


def value_flaw(value: str, pattern: str | None) -> str:
    """Return why a variable may not have a value; "" if it may.

    Without a pattern the value can be neither a path nor a list of paths: the program might open what it names.
    """
    if len(value) > LONGEST_VALUE or not _VALUE.fullmatch(value):
        return f"has a value that is not up to {LONGEST_VALUE} printable ASCII characters"
    if pattern is not None:
        return "" if matches(value, pattern, escapes_of(())) else f"has a value that does not match {pattern!r}"
    if "/" in value or ".." in value or value.startswith(":"):
        return "has a value with '/' or '..' in it, or ':' in front, which takes a pattern in the rule"
    return ""
