"""Which variables a rule may let a request set."""

import re
from fnmatch import fnmatchcase

from omnyshell.services.node.environment import OWN_VARIABLES

DANGEROUS = (
    # Where programs, libraries, interpreters and locales are found.
    *("PATH", "HOME", "USER", "LOGNAME", "CDPATH", "LD_*", "DYLD_*", "GCONV_PATH", "LOCPATH", "NLSPATH", "GLIBC_*"),
    *("TERMINFO*", "TERMCAP", "TERMPATH", "TMPDIR", "TMP", "TEMP", "XDG_*", "MALLOC_*", "RES_OPTIONS", "HOSTALIASES"),
    # Shells.
    *("SHELL", "ENV", "BASH*", "SHELLOPTS", "IFS", "PS[0-9]", "PROMPT_COMMAND", "ZDOTDIR", "HIST*", "FPATH", "INPUTRC"),
    # Interpreters and what builds with them.
    *("PYTHON*", "PERL*", "RUBY*", "GEM_*", "BUNDLE_*", "NODE_*", "NPM_*", "npm_*", "LUA_*", "PHP*", "TCL*", "AWK*"),
    *("*JAVA*OPTIONS", "JDK_*", "CLASSPATH", "R_*", "MAKE*", "GNUMAKEFLAGS", "CC", "CXX", "*FLAGS", "CARGO*", "RUST*"),
    # Pagers, editors and dialogs.
    *("*PAGER*", "*EDIT*", "VISUAL", "LESS*", "MORE*", "MAN*", "BROWSER", "*ASKPASS*", "EXINIT", "VIM*", "NVIM*"),
    # Programs that others start, and files that they obey or write.
    *("GIT_*", "HG*", "SVN_*", "CVS_*", "RSYNC_*", "SSH_*", "*_RSH", "SYSTEMD_*", "DBUS_*", "SUDO_*", "DOCKER_*"),
    *("KUBE*", "AWS_*", "ANSIBLE*", "PSQL*", "PGSYSCONFDIR", "PGPASSFILE", "PGSERVICEFILE", "MYSQL_*", "MYSQL*HOME"),
    *("TAR_OPTIONS", "GREP_OPTIONS", "*_OPT", "*_OPTS", "CURL_HOME", "WGETRC", "NETRC", "MAIL*", "OPENSSL_*", "SSL*"),
    *("KRB5*", "GNUPGHOME", "GTK_*", "QT_*", "DISPLAY", "XAUTHORITY", "WAYLAND_*", "TMUX*", "STY", "SCREEN*"),
)
"""Names that no rule may let a request set: each of them can make some program run or obey what the request says."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def variable_flaw(name: str) -> str:
    """Return why a rule may not let a request set a variable; an empty text if it may."""
    if not _NAME.fullmatch(name):
        return "is no variable's name; wildcards are none either"
    if fnmatchcase(name, OWN_VARIABLES) or any(fnmatchcase(name, pattern) for pattern in DANGEROUS):
        return "can make programs run or obey what a request says, and cannot be let through"
    return ""
