"""Programs that a rule cannot contain, as far as they are known: what they run or write is what they are told to.

This list makes warnings, and keeps wildcards from options that do as much. It is no boundary: a program that is not on
it can do the same (docs/security.md says so too).
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple


class Uncontained(NamedTuple):
    """A kind of programs."""

    what: str
    why: str
    names: tuple[str, ...]
    """Patterns of what they are called."""

    is_interactive: bool = False
    """Whether they can be told so while they run, whatever words they were started with."""

    reads_commands: bool = False
    """Whether they read what to do where they are started without words."""


UNCONTAINED = (
    Uncontained(
        "shells",
        "run whatever they are given or read",
        ("sh", "bash", "rbash", "dash", "ash", "zsh", "fish", "ksh*", "csh", "tcsh", "pwsh", "busybox", "toybox"),
        reads_commands=True,
    ),
    Uncontained(
        "interpreters",
        "run whatever they are given or read",
        (
            *("python*", "pypy*", "perl*", "ruby*", "irb", "node", "nodejs", "deno", "bun", "php*", "lua*", "tclsh*"),
            *("expect", "awk", "gawk", "mawk", "nawk", "sed", "Rscript", "guile", "java", "jshell", "gdb", "lldb"),
            *("psql", "mysql", "mariadb", "sqlite3", "mongosh", "dc", "m4"),
        ),
        reads_commands=True,
    ),
    Uncontained(
        "editors",
        "run shells and write any file",
        ("vi", "vim*", "nvim", "view", "ex", "ed", "nano", "pico", "emacs*", "joe", "mcedit", "visudo", "vipw", "vigr"),
        is_interactive=True,
    ),
    Uncontained(
        "pagers, and programs that browse or mail",
        "open any file, and may run shells",
        ("less", "more", "most", "pg", "man", "mc", "lynx", "links", "elinks", "w3m", "mutt", "mail", "mailx"),
    ),
    Uncontained(
        "programs that run others",
        "run what they are told to",
        (
            *("env", "xargs", "nice", "nohup", "ionice", "chrt", "taskset", "timeout", "time", "setsid", "stdbuf"),
            *("watch", "script", "flock", "parallel", "entr", "strace", "ltrace", "perf", "sudo", "doas", "su"),
            *("runuser", "pkexec", "chroot", "unshare", "nsenter", "setpriv", "capsh", "systemd-run", "machinectl"),
            *("docker", "podman", "nerdctl", "ctr", "crictl", "kubectl", "lxc*", "virsh", "ssh", "scp", "sftp"),
            *("rsync", "socat", "nc", "ncat", "netcat", "telnet", "ftp", "tmux", "screen", "at", "batch", "crontab"),
            *("make", "cmake", "ninja", "cargo", "go", "npm", "npx", "yarn", "pip*", "gem", "bundle", "mvn", "gradle"),
            *("ansible*", "puppet", "salt*", "vagrant", "terraform", "apt*", "dpkg*", "rpm", "yum", "dnf", "apk"),
            *("snap", "flatpak", "pacman", "zypper", "brew", "openssl", "nmap", "tcpdump", "ip", "run-parts"),
        ),
    ),
    Uncontained(
        "programs that write the files that they are told to",
        "can write what others run or obey, such as ~/.profile or ~/.ssh/authorized_keys",
        (
            *("cp", "mv", "dd", "tee", "install", "ln", "tar", "cpio", "zip", "unzip", "7z*", "ar", "patch", "split"),
            *("curl", "wget", "aria2c", "shred", "truncate", "uniq", "xxd", "rm", "chmod", "chown", "mount"),
        ),
    ),
    Uncontained(
        "programs of which some options or subcommands run others",
        "can write files and run programs by some of their options and subcommands",
        ("git*", "hg", "svn", "find", "sort", "systemctl"),
    ),
)

_REMOTE = ("-H*", "-M*", "-[afilqr]*H*", "-[afilqr]*M*", "--host", "--machine")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "git*": (
        *("-c*", "-o*", "-u*", "-x*", "-C*", "-O*", "--config-env", "--exec-path", "--exec", "--ext-diff", "--extcmd"),
        *("--git-dir", "--work-tree", "--open-files-in-pager", "--output", "--output-directory", "--paginate"),
        *("--receive-pack", "--template", "--textconv", "--upload-pack", "--separate-git-dir", "--config"),
    ),
    "find": ("-exec*", "-ok*", "-delete", "-fprint*", "-fls*"),
    "sort": ("-o", "-T", "--output", "--compress-program", "--temporary-directory"),
    "journalctl": (
        "--image",
        "--cursor-file",
        "--setup-keys",
        "--rotate",
        "--vacuum-size",
        "--vacuum-time",
        "--vacuum-files",
    ),
    "systemctl": ("--root", "--image"),
    "*ctl": _REMOTE,
    "systemd-*": _REMOTE,
    "man": ("-P", "-H", "-C", "-p", "-T", "-X", "--pager", "--html", "--config-file", "--preprocessor", "--gxditview"),
    "less": ("-o", "-O", "-k", "--log-file", "--LOG-FILE", "--lesskey-file", "--lesskey-src", "--lesskey-content"),
    "ss": ("-D", "-K", "--diag", "--kill"),
    "tree": ("-o",),
    "file": ("-C", "--compile"),
    "tar": (
        *("-I", "-F", "--use-compress-program", "--to-command", "--checkpoint-action", "--info-script"),
        *("--new-volume-script", "--rsh-command", "--rmt-command"),
    ),
    "rsync": ("-e", "--rsh", "--rsync-path"),
    "ssh": ("-o", "-F", "-E", "-D", "-L", "-R", "-w", "-J"),
    "tcpdump": ("-w", "-z", "--postrotate-command"),
    "curl": (
        *("-o", "-O", "-K", "-D", "-c", "--output", "--output-dir", "--remote-name", "--remote-name-all", "--config"),
        *("--dump-header", "--cookie-jar", "--trace", "--trace-ascii", "--stderr", "--libcurl"),
    ),
    "wget": (
        *("-O", "-o", "-a", "-P", "-e", "--output-document", "--output-file", "--append-output", "--execute"),
        *("--directory-prefix", "--use-askpass", "--config"),
    ),
}
"""Options that run programs or write files, by patterns of programs' names.

`-o` is that letter, also among others (`-ro`); `--output` also stands for what it may be shortened to.
"""


def find_uncontained(names: Iterable[str]) -> Uncontained | None:
    """Return the kind that one of a program's names belongs to; None where none is known."""
    known = tuple(names)
    return next((kind for kind in UNCONTAINED if any(_is_one_of(name, kind.names) for name in known)), None)


def escapes_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return the options of the program so named that are known to run programs or to write files."""
    known = tuple(names)
    return tuple(
        option
        for pattern, options in _OPTIONS.items()
        if any(fnmatchcase(name, pattern) for name in known)
        for option in options
    )


def is_escape(word: str, options: Iterable[str]) -> bool:
    """Tell whether a word is one of these options."""
    return word.startswith("-") and any(_is_option(word, option) for option in options)


def _is_one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_option(word: str, option: str) -> bool:
    if option.startswith("--"):
        name = word.partition("=")[0]
        return len(name) > len("--") and option.startswith(name)
    if len(option) == len("-x"):
        return not word.startswith("--") and option[1] in word
    return fnmatchcase(word, option)
