"""Hides likely secrets in a command line: values of variables, and values next to a name that suggests a secret.

A line is split approximately as POSIX shells do it, and a quoted text with white space may be a command line again. A
secret that nothing marks as one cannot be recognized; `docs/audit.md` says so.
"""

import re
import shlex
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache

HIDDEN = "***"
"""Replaces a hidden value."""

DEEPEST = 6
"""How deeply command lines within quoted words are examined; deeper ones are hidden."""

# Some alternative matches at every character, so the time is linear. A closing quote may be missing.
_TOKEN = re.compile(
    r"""(?P<space>[ \t]+)|(?P<end>[;&|()`\r\n\f\v]|\$\()|(?P<other>[<>])|(?P<word>(?:
        \$'(?:\\.|[^'\\])*(?:'|\\?\Z) | '[^']*(?:'|\Z) | "(?:\\.|[^"\\])*(?:"|\\?\Z) | \\. | \\\Z
        | (?!\$\()[^\s'"\\;&|()<>`] )+)|(?P<rest>.)""",
    re.DOTALL | re.VERBOSE,
)
_QUOTED = re.compile(
    r"""\$'((?:\\.|[^'\\])*)(?:'|\\?\Z)|'([^']*)(?:'|\Z)|"((?:\\.|[^"\\])*)(?:"|\\?\Z)|\\(.?)""", re.DOTALL
)
_SPACE = re.compile(r"\s")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = re.compile(r"[\w@%+=:,./*?~-]*", re.ASCII)

_SETTING = re.compile(r"([A-Za-z_][A-Za-z0-9_]*\+?=)", re.ASCII)
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)[\"']?\s*(?:=>|:=|==?|:)\s*", re.ASCII)
_OPTION = re.compile(r"--?([A-Za-z][A-Za-z0-9_.-]+)", re.ASCII)
_SEPARATORS = frozenset({"=", "==", "!=", ":", ":=", "=>"})
_SCHEMES = frozenset({"basic", "bearer", "digest", "token", "negotiate", "apikey"})
_NUMBER = re.compile(r"[0-9.]+[a-z]?", re.ASCII)

_USER_IN_URL = re.compile(r"(?<=://)([^\s/:@?#]*):(?![0-9]{1,5}(?:[/?#]|\Z))\S*@|(?<=://)[^\s/:@?#]{20,}(?=@)")
_KEY = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*", re.DOTALL)
_TELLING = re.compile(
    r"(?<![A-Za-z0-9])(?:gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|sk-[A-Za-z]{0,5}-?|[rs]k_(?:live|test)_|npm_|pypi-|hv[bs]\."
    r"|dop_v1_|shpat_|SG\.|AIza|ya29\.|A[KS]IA|eyJ)[A-Za-z0-9._~+/=-]{12,}",
    re.ASCII,
)
"""Prefixes of known kinds of tokens."""

SHORTEST_TOKEN = 12

_PREFIXES = frozenset({
    "env", "sudo", "doas", "nohup", "nice", "ionice", "time", "timeout", "stdbuf", "setsid", "exec", "command",
    "builtin", "eval", "xargs", "chroot", "unshare", "runuser", "then", "do", "else", "if", "elif", "while", "until",
    "!", "{",
})  # fmt: skip
"""Words after which a command begins, possibly with variables first."""

_DECLARING = frozenset({"export", "declare", "typeset", "local", "readonly", "set", "setenv"})
_BY_POSITION = frozenset({"set", "setenv"})
"""Commands that take a variable's name and value as separate words."""

_OPTIONS = {
    "mysql*": "p", "mariadb*": "p", "sshpass": "p", "mongo*": "p", "redis-cli": "a", "valkey-cli": "a",
    "ldap*": "wy", "sqlcmd": "P", "bcp": "P", "zip": "P", "unzip": "P", "7z*": "p", "ipmitool": "P", "mosquitto_*": "P",
    "snmp*": "AX",
}  # fmt: skip
"""Short options with a secret value, by program; the value is the next word, or attached to the letter."""

_WITH_NEXT = {"login": ("-p",), "plink": ("-pw",), "pscp": ("-pw",), "psftp": ("-pw",)}
_ATTACHED = re.compile(r"-p(?![0-9:,./-]*\Z)(?![a-z_-]*\Z).+", re.DOTALL)
"""A password attached to `-p`, for any program; it must look like neither a port nor other options."""

_USERS = re.compile(r"-[A-Za-z]*u|--(?:proxy-)?user|-U|--proxy-user")
_USERS_PROGRAMS = ("curl", "wget", "http", "https", "xh", "smbclient", "rpcclient")

_WORDS = frozenset({
    "pass", "passwd", "password", "passphrase", "passcode", "pwd", "pw", "psw", "pin", "otp", "secret", "secrets",
    "token", "tokens", "credential", "credentials", "cred", "creds", "auth", "authorization", "authentication",
    "bearer", "cookie", "apikey", "pat", "dsn", "signature", "sig", "jwt", "passwort", "kennwort", "senha",
})  # fmt: skip
_PARTS = re.compile(r"passw|passphrase|passcode|secret|token|apikey|accesskey|privatekey|credential|pgpass")
_HARMLESS_ENDS = frozenset({
    "file", "path", "dir", "directory", "stdin", "fd", "prompt", "type", "length", "len", "ttl", "policy", "name", "id",
    "method", "mode", "only", "enabled", "disabled", "count", "expiry", "expires",
})  # fmt: skip
_HARMLESS_BEGINS = frozenset({"no", "ask", "without", "public", "pub"})
_COMPONENT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", re.ASCII)


@lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Tell whether the name of a variable, option, field or header suggests a secret."""
    parts = [part.lower() for part in _COMPONENT.findall(name[:128])]
    if not parts or parts[0] in _HARMLESS_BEGINS or (len(parts) > 1 and parts[-1] in _HARMLESS_ENDS):
        return False
    if not _WORDS.isdisjoint(parts) or _PARTS.search("".join(parts)) is not None:
        return True
    # A name "key" alone may be anything (a sort key, a file); `STRIPE_KEY` is a secret.
    return len(parts) > 1 and parts[-1] in ("key", "keys") and name.isupper()


@lru_cache(maxsize=1024)
def _letters_of(program: str) -> str:
    return next((letters for pattern, letters in _OPTIONS.items() if fnmatchcase(program, pattern)), "")


def mask_line(line: str, depth: int = 0) -> str:
    """Return a line for a shell with secrets hidden; unchanged if there are none."""
    if len(line) < SHORTEST_TOKEN and line.isascii() and line.isalnum():
        # Only the name of a program, like most lines that come often.
        return line
    # A quoted word of fields alone, such as `host=x user=y`, is no command line.
    is_line = not depth or not all(map(_SETTING.match, line.split()))
    masker = _Masker(depth, is_line=is_line)
    return "".join(masker.token(found) for found in _TOKEN.finditer(line))


def mask_words(words: Iterable[str]) -> list[str]:
    """Return the words of a command quoted for a shell, with secrets hidden."""
    masker = _Masker()
    return [shlex.quote(word) if (masked := masker.word(word)) == word else _quoted(masked) for word in words]


def program_of(line: str) -> str:
    """Return the first program that a line runs, after variables and `env`."""
    masker = _Masker()
    for found in _TOKEN.finditer(line):
        masker.token(found)
        if masker.program and masker.program != "env":
            return masker.shown
    return ""


class _Masker:
    """Masks the words of a line one after another, and tracks the position of each in its command."""

    def __init__(self, depth: int = 0, *, is_line: bool = True) -> None:
        self._depth = depth
        self.program = ""
        self.shown = ""
        """The program as it is written in the line."""

        self._begin()
        self._is_before_command = is_line

    def _begin(self) -> None:
        """Start a new command."""
        self._is_before_command = True
        self._is_behind_prefix = self._is_behind_option = False
        self._is_declaring = self._sets_by_position = False
        self._named = self._hides_next = self._hides_password = False
        self._short, self._takes_users = "", False
        self._with_next: tuple[str, ...] = ()

    def token(self, found: re.Match[str]) -> str:
        """Mask a match of `_TOKEN`."""
        raw = found[0]
        if found.lastgroup == "end":
            self._begin()
        if found.lastgroup != "word":
            return raw
        text = _unquoted(raw)
        masked = self.word(text)
        return raw if masked == text else _quoted(masked)

    def word(self, text: str) -> str:
        """Take the next word, without its quotes; return it masked."""
        if self._hides_next or self._hides_password:
            return self._hidden(text)
        if (self._is_before_command or self._is_declaring) and (setting := _SETTING.match(text)) is not None:
            self._is_behind_option = False
            return setting[1] + HIDDEN
        self._place(text)
        return self._argument(text)

    def _hidden(self, text: str) -> str:
        if self._hides_password:
            self._hides_password = False
            return _without_password(text)
        if text.lower() in _SCHEMES:
            return text
        self._hides_next = False
        return text if text.startswith(HIDDEN) else HIDDEN

    def _place(self, text: str) -> None:
        """Track the position of a word in its command."""
        self._see_program(text)
        if not self._is_before_command:
            self._is_before_command = text == "--"
            self._sees_name(text)
        elif self._is_behind_prefix and text.startswith("-"):
            self._is_behind_option = True
        elif self._is_behind_prefix and (self._is_behind_option or _NUMBER.fullmatch(text) is not None):
            self._is_behind_option = False
        else:
            self._is_command(text)

    def _is_command(self, text: str) -> None:
        name = text.rpartition("/")[2]
        if not self.program or self.program == "env":
            self.program, self.shown = name, _quoted(_inside(text)[0]) if text else ""
        self._is_before_command = self._is_behind_prefix = name in _PREFIXES
        self._is_declaring = name in _DECLARING
        self._sets_by_position = name in _BY_POSITION

    def _sees_name(self, text: str) -> None:
        """For `set` and `setenv`, the value follows the name."""
        if self._sets_by_position and not text.startswith("-"):
            self._hides_next, self._sets_by_position = True, False

    def _see_program(self, text: str) -> None:
        """Recognize a program whose short options take secrets at any position, as other programs may run it."""
        name = text.rpartition("/")[2]
        self._short = _letters_of(name) or self._short
        self._with_next = _WITH_NEXT.get(name, self._with_next)
        self._takes_users = self._takes_users or name in _USERS_PROGRAMS

    def _argument(self, text: str) -> str:
        if text.startswith("-") and (masked := self._option(text)) is not None:
            return masked
        if self._named and text in _SEPARATORS:
            self._hides_next = True
            return text
        self._named = is_secret(text.strip("\"'${}"))
        masked, hides_next = _inside(text)
        self._hides_next = self._hides_next or hides_next
        if _SPACE.search(masked) is None:
            return masked
        return mask_line(masked, self._depth + 1) if self._depth < DEEPEST else HIDDEN

    def _option(self, text: str) -> str | None:
        """Mask an option; None if it needs no special treatment."""
        if text in self._with_next or (len(text) == 2 and text[1] in self._short):
            self._hides_next = True
            return text
        if self._takes_users and _USERS.fullmatch(text) is not None:
            self._hides_password = True
            return text
        if self._takes_users and text.startswith(("-u", "-U")):
            return text[:2] + _without_password(text[2:])
        if self._short and text[1:2] and text[1] in self._short:
            return text[:2] + HIDDEN
        found = _OPTION.fullmatch(text)
        if found is not None and is_secret(found[1]):
            self._hides_next = True
            return text
        return "-p" + HIDDEN if _ATTACHED.fullmatch(text) is not None else None


def _inside(text: str) -> tuple[str, bool]:
    """Hide the part of a word that is marked as secret; return also whether the next word is a secret."""
    masked = _KEY.sub(HIDDEN, text) if "-----BEGIN" in text else text
    if "://" in masked:
        masked = _USER_IN_URL.sub(_without_user, masked)
    if len(masked) > SHORTEST_TOKEN:
        masked = _TELLING.sub(HIDDEN, masked)
    if "=" not in masked and ":" not in masked:
        return masked, False
    place = 0
    while (found := _NAME.search(masked, place)) is not None:
        place = found.end()
        if not is_secret(found[1]) or masked.startswith(HIDDEN, place):
            continue
        if place == len(masked):
            return masked, True
        if found[0].endswith(":") and "/" in (masked[place], masked[found.start() - 1 : found.start()]):
            # The part after the colon is a path, as of a mount or on another machine.
            continue
        end = _end_of_value(masked, place)
        masked = masked[:place] + HIDDEN + masked[end:]
        place += len(HIDDEN)
    return masked, False


def _without_user(found: re.Match[str]) -> str:
    # A long user part without a password is a token, not a name.
    return HIDDEN if found[1] is None else f"{found[1]}:{HIDDEN}@"


def _end_of_value(text: str, place: int) -> int:
    """Return the end of a secret: its closing quote, the next field of a query, or the end of the word."""
    if text[place] in "\"'":
        closing = re.compile(rf"{text[place]}(?:\\.|[^{text[place]}\\])*{text[place]}", re.DOTALL).match(text, place)
        return closing.end() if closing is not None else len(text)
    before = text[:place]
    if "?" in before or "://" in before:
        end = re.compile(r"[&#]").search(text, place)
        return end.start() if end is not None else len(text)
    return len(text)


def _without_password(text: str) -> str:
    user, separator, _ = text.partition("%" if "%" in text and ":" not in text else ":")
    return user + separator + HIDDEN if separator else text


def _unquoted(raw: str) -> str:
    if "'" not in raw and '"' not in raw and "\\" not in raw:
        return raw
    return _QUOTED.sub(_content, raw)


def _content(found: re.Match[str]) -> str:
    escaped, plain, double, one = found.groups()
    if plain is not None:
        return plain
    if escaped is not None or double is not None:
        return _ESCAPED.sub(r"\1", escaped if escaped is not None else double)
    return one or ""


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) is not None else shlex.quote(text)
