"""Becoming another user, in the child, before it becomes a program.

All that may wait or fail is done there and not in the keeper: the database of users may be on the network.
"""

import grp
import os
import pwd
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from .files import Known, said_in
from .pam import SERVICE_FILE
from .users import IMPOSSIBLE_NAME, Account, Asker, RefusedError, Table, choose, is_shell, shown, table_of
from .wire import USER_PARTS

USERS, AS_NODE, PAM = "users", "run-as-node-user", "pam"
"""The keys of a node's file that are read here."""

POSIX_SHELL = "/bin/sh"
TERMINALS = "tty"
TERMINAL_MODE = 0o620
LOGIN_DEFS, SHADOW = "/etc/login.defs", "/etc/shadow"
DEFAULTS = {
    "ENV_PATH": "PATH=/usr/local/bin:/usr/bin:/bin",
    "ENV_SUPATH": "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "UMASK": "022",
}

FRESH = 0.1
"""Seconds for which holds what was found of somebody for whom a program is being prepared."""

_DAY = 86400
_EXPIRES = 7


class Login(NamedTuple):
    """Whom an asker becomes."""

    account: Account
    principal: str
    asks_pam: bool
    """Whether PAM has a say in it."""


class Found(NamedTuple):
    """What there is to be found of whom an asker becomes."""

    login: Login
    groups: Sequence[int]


class _Said(NamedTuple):
    """What a node's file says of users."""

    table: Table | None = None
    is_as_node: bool = False
    """Whether all is run as the node's user."""

    pam: bool | None = None
    """Whether PAM is asked; where it has a service, if the file does not say."""


class Users:
    """Who becomes whom, as a node's file says; it is read anew for each program, unless it is the same for a while."""

    def __init__(self, path: str, node_user: int) -> None:
        """`path` is empty where there is no file; `node_user` is whom the keeper serves."""
        self._path = path
        self._node_user = node_user
        self._file = Known(path, _said_in)
        self._expected: tuple[float, bytes, Found] | None = None

    def judges(self, uid: int) -> bool:
        """Tell whether a process of this user has to say for whom a program is."""
        if uid != os.geteuid():
            return True
        try:
            return self._read().table is not None
        except RefusedError:
            return True

    def expect(self, whose: bytes) -> None:
        """Find already whom an asker becomes. Why they do not is said when their program comes."""
        with suppress(RefusedError, OSError):
            self._expected = time.monotonic(), whose, self._look_up(whose)

    def find(self, whose: bytes) -> Found:
        """Return whom a program's asker becomes. Raises `RefusedError`."""
        if self._expected is not None:
            at, asker, found = self._expected
            if asker == whose and time.monotonic() - at < FRESH:
                return found
        return self._look_up(whose)

    def _look_up(self, whose: bytes) -> Found:
        login = self._login_of(whose)
        return Found(login, groups_of(login.account))

    def _login_of(self, whose: bytes) -> Login:
        said, asker = self._read(), asker_of(whose)
        if said.table is not None:
            account = choose(said.table, asker, _find, self._node_user)
            asks_pam = os.path.lexists(SERVICE_FILE) if said.pam is None else said.pam
            return Login(account, asker.principal, asks_pam and os.geteuid() == 0)
        if said.is_as_node or self._node_user == os.geteuid():
            return Login(_only(asker, _by_number(self._node_user)), asker.principal, asks_pam=False)
        where = self._path or "the node's file, and start the keeper with it"
        raise RefusedError(f"Nobody becomes a user here: write [users] into {where}, or {AS_NODE} = true")

    def check_admitted(self, whose: bytes, uid: int) -> None:
        """Refuse who may not have now what runs as the user that is wanted, by its number. Raises `RefusedError`.

        No database of users is asked, so that this may be done in the keeper itself.
        """
        said, asker = self._read(), asker_of(whose)
        account = Account(asker.wanted, uid, uid, "", "")
        if said.table is not None:
            choose(said.table, asker, lambda name: account if name == account.name else None, self._node_user)
        elif uid != self._node_user or not (said.is_as_node or uid == os.geteuid()):
            raise RefusedError(f"It is {shown(asker.wanted)}'s, and nothing says any more who becomes that user")
        else:
            _only(asker, account)

    def look(self) -> None:
        """Read what is new in files, so that no child has to. What is wrong with one is theirs to say."""
        with suppress(RefusedError):
            self._read()
        _login_defs.now()

    def _read(self) -> _Said:
        # Whoever could have it say something else would have made another file of it.
        return self._file.now() if self._path else _Said()

    def check_file(self) -> None:
        """Raise `RefusedError` where the file is nothing to go by."""
        self._read()


def _said_in(path: str) -> _Said:
    # Whoever writes the file is whoever it names.
    return said_in(path, (USERS,), _meant, "Who becomes whom")


def _meant(said: Mapping[str, Any]) -> _Said:
    """Raises `ValueError`."""
    if USERS not in said:
        return _Said(is_as_node=said.get(AS_NODE) is True)
    return _Said(table_of(said[USERS]), pam=_pam(said.get(PAM)))


def _pam(said: object) -> bool | None:
    """Tell whether the file has PAM asked; None where it does not say. Raises `ValueError`."""
    if said is None:
        return None
    for word, meant in (("true", True), ("false", False)):
        if said is meant or said == word:
            return meant
    raise ValueError(f"'{PAM}' must be true or false")


def asker_of(whose: bytes) -> Asker:
    """Return who is meant by a field of the wire. Raises `RefusedError` for what nobody can be called."""
    try:
        principal, roles, wanted, logins = whose.decode().split("\n", USER_PARTS - 1)
    except ValueError as exc:
        raise RefusedError(IMPOSSIBLE_NAME) from exc
    asker = Asker(principal, _listed(roles), wanted, _listed(logins))
    if logins and not asker.logins:
        raise RefusedError(IMPOSSIBLE_NAME)
    return asker


def _listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _only(asker: Asker, account: Account) -> Account:
    """Return the account, unless another one is asked for. Raises `RefusedError`."""
    if (asker.wanted and asker.wanted != account.name) or (asker.logins and account.name not in asker.logins):
        raise RefusedError(f"All programs of this node are {account.name}'s: it has no [users]")
    return account


def _by_number(uid: int) -> Account:
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError as exc:
        raise RefusedError(f"The node's user, {uid}, is nobody on this machine") from exc


def _find(name: str) -> Account | None:
    try:
        return _account(pwd.getpwnam(name))
    except (KeyError, ValueError):
        return None


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell)


def login_shell(account: Account) -> str:
    """Return the user's shell; one that lets nobody in is for logins, and whoever comes here was let in."""
    return account.shell if is_shell(account.shell) else POSIX_SHELL


def login_environment(account: Account) -> dict[bytes, bytes]:
    """Return the variables that a login sets."""
    path = _defined("ENV_PATH" if account.uid else "ENV_SUPATH").removeprefix("PATH=")
    said = {"USER": account.name, "LOGNAME": account.name, "HOME": account.home, "PATH": path}
    return {os.fsencode(name): os.fsencode(text) for name, text in (said | {"SHELL": login_shell(account)}).items()}


def login_umask() -> int:
    """Return the mask of modes that a login sets."""
    try:
        return int(_defined("UMASK"), 8) & 0o777
    except ValueError:
        return int(DEFAULTS["UMASK"], 8)


def _defined(name: str) -> str:
    return _login_defs.now().get(name, DEFAULTS[name])


def _defined_in(path: str) -> dict[str, str]:
    """Return of a file what is used here of it."""
    found = dict[str, str]()
    for name in DEFAULTS:
        for words in _fields(path, name, None):
            if len(words) > 1 and words[0] == name:
                found.setdefault(name, words[1])
    return found


_login_defs = Known(LOGIN_DEFS, _defined_in)


def _fields(path: str, name: str, separator: str | None) -> Iterator[list[str]]:
    """Yield the fields of each line that has this name somewhere in it."""
    try:
        with open(path, "rb", buffering=0) as file:
            lines = file.readall().split(b"\n")
    except OSError:
        return
    wanted = os.fsencode(name)
    yield from (os.fsdecode(line).split(separator) for line in lines if wanted in line)


def check_expiry(account: Account, now: float) -> None:
    """Refuse who has an account that has expired. Raises `RefusedError`."""
    for words in _fields(SHADOW, account.name, ":"):
        if words[0] == account.name and len(words) > _EXPIRES and words[_EXPIRES].isdecimal():
            if int(words[_EXPIRES]) * _DAY <= now:
                raise RefusedError(f"The account '{account.name}' has expired")
            return


def groups_of(account: Account) -> Sequence[int]:
    """Return the groups of a user; where the keeper is not root's, they stay as they are."""
    return os.getgrouplist(account.name, account.gid) if os.geteuid() == 0 else ()


def become(account: Account, groups: Sequence[int], streams: int, *, is_on_terminal: bool) -> None:
    """Become a user for good, in these groups; the first `streams` descriptors become theirs too.

    Raises `RefusedError`, and `OSError` where the system does not let it.
    """
    if os.geteuid() != 0:
        if account.uid != os.geteuid():
            raise RefusedError(f"Only a keeper of root's starts programs as '{account.name}'")
        return
    check_expiry(account, time.time())
    _give(account, streams, is_on_terminal=is_on_terminal)
    os.setgroups(groups)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    _check_become(account)


def _give(account: Account, streams: int, *, is_on_terminal: bool) -> None:
    """Give descriptors to the user, so that `/dev/stdout` and `/dev/tty` can be opened."""
    for fd in range(1 if is_on_terminal else streams):
        os.fchown(fd, account.uid, _terminal_group(account) if is_on_terminal else account.gid)
        if is_on_terminal:
            os.fchmod(fd, TERMINAL_MODE)


def _terminal_group(account: Account) -> int:
    try:
        return grp.getgrnam(TERMINALS).gr_gid
    except KeyError:
        return account.gid


def _check_become(account: Account) -> None:
    """Raise `RefusedError` unless all ids are the user's, and root's cannot be had again."""
    is_them = set(os.getresuid()) == {account.uid} and set(os.getresgid()) == {account.gid}
    if not is_them or (account.uid != 0 and _can_be_root()):
        raise RefusedError(f"The system did not make this process '{account.name}'s")


def _can_be_root() -> bool:
    try:
        os.setresuid(-1, 0, -1)
    except PermissionError:
        return False
    return True
