"""Options that run programs or write files; a wildcard matches them only if its pattern names them.

The lists hold known options, and are no security boundary: a program can have others (see docs/security.md).
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

OPTIONS_BY_PROGRAM: dict[str, tuple[str, ...]] = {
    "git*": (
        *("-c", "-o", "-u", "-x", "-C", "-O", "--config-env", "--exec-path", "--exec", "--ext-diff", "--extcmd"),
        *("--git-dir", "--work-tree", "--open-files-in-pager", "--output", "--output-directory", "--paginate"),
        *("--receive-pack", "--template", "--textconv", "--upload-pack", "--separate-git-dir", "--config"),
    ),
    "find": ("-exec*", "-ok*", "-delete", "-fprint*", "-fls*"),
    "sort": ("-o", "-T", "--output", "--compress-program", "--temporary-directory"),
    # These act on another machine by ssh, in a container, or on another root directory.
    "*ctl": ("-H", "-M", "--host", "--machine", "--root", "--image", "--image-policy"),
    "systemd-*": ("-H", "-M", "--host", "--machine", "--root", "--image"),
    "journalctl": (
        *("--cursor-file", "--update-catalog", "--setup-keys", "--rotate", "--flush", "--sync", "--relinquish-var"),
        *("--smart-relinquish-var", "--vacuum-size", "--vacuum-time", "--vacuum-files"),
    ),
    "busctl": ("--address",),
    "coredumpctl": ("-o", "-A", "--output", "--debugger", "--debugger-arguments"),
    "dbus-*": ("--address", "--bus", "--peer", "--config-file"),
    "date": ("-s", "--set"),
    "dmesg": ("-C", "-D", "-E", "-c", "-n", "--clear", "--read-clear", "--console-off", "--console-on"),
    "hostname": ("-F", "-b", "--file", "--boot"),
    "man": ("-P", "-H", "-C", "-p", "-T", "-X", "--pager", "--html", "--config-file", "--preprocessor", "--gxditview"),
    "less": ("-o", "-O", "-k", "--log-file", "--LOG-FILE", "--lesskey-file", "--lesskey-src", "--lesskey-content"),
    "lsof": ("-D",),
    "iconv": ("-o", "--output"),
    "shuf": ("-o", "--output"),
    "diff3": ("--diff-program",),
    "dmidecode": ("--dump-bin",),
    "rg": ("-z", "--pre", "--search-zip", "--hostname-bin"),
    "fd*": ("-x", "-X", "--exec", "--exec-batch"),
    "ack": ("--pager",),
    "ag": ("--pager",),
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
"""The options, by patterns of programs' names.

`-o` also stands for that letter in a group (`-ro`, `-Tro`), since the meaning of the letters before it is not known
here; `--output` also stands for its abbreviations.
"""


class Escapes(NamedTuple):
    """The dangerous options of one program."""

    letters: frozenset[str]
    names: frozenset[str]
    shortened: frozenset[str]
    words: tuple[str, ...]

    def has(self, word: str) -> bool:
        """Tell whether a word is, or may be, one of these options."""
        if word.startswith("--"):
            return word.partition("=")[0] in self.shortened
        return word.startswith("-") and (not self.letters.isdisjoint(word) or self._is_word(word))

    def __bool__(self) -> bool:
        """Whether the program has any."""
        return bool(self.letters or self.names or self.words)

    def is_named_by(self, beginning: str, word: str) -> bool:
        """Tell whether a pattern's fixed beginning names in full the option that a word is."""
        if word.startswith("--"):
            name = beginning.partition("=")[0]
            return name in self.names and name == word.partition("=")[0]
        return self.has(beginning)

    def _is_word(self, word: str) -> bool:
        return any(fnmatchcase(word, pattern) for pattern in self.words)


def escapes_of(names: Iterable[str]) -> Escapes:
    """Return the dangerous options of a program that has these names."""
    return _escapes_of(frozenset(names))


@lru_cache(maxsize=256)
def _escapes_of(names: frozenset[str]) -> Escapes:
    options = {
        option
        for pattern, its in OPTIONS_BY_PROGRAM.items()
        if any(fnmatchcase(name, pattern) for name in names)
        for option in its
    }
    long = {option for option in options if option.startswith("--")}
    letters = {option for option in options - long if len(option) == len("-x")}
    return Escapes(
        letters=frozenset(option[1] for option in letters),
        names=frozenset(long),
        shortened=frozenset(name[:size] for name in long for size in range(len("--x"), len(name) + 1)),
        words=tuple(sorted(options - long - letters)),
    )
