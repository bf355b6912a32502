"""Whether others could have written what this process runs: then it refuses to."""

import os
import stat
import sys

_ACCESS_LIST = "system.posix_acl_access"


class UntrustedError(Exception):
    """Somebody else can change what the keeper runs; the text says where."""


def check_own_code() -> None:
    """Check the interpreter, every module and library that is loaded, and each directory and link on the way to them.

    Raises `UntrustedError`.
    """
    seen: set[str] = set()
    for path in sorted({sys.executable, *loaded_files()}):
        check(path, seen)


def loaded_files() -> set[str]:
    """Return the files of every module and library that this process has loaded."""
    return _modules() | _mapped()


def check(path: str, seen: set[str]) -> None:
    """Check that root and the keeper's user alone can write a path, and lead it elsewhere.

    A directory that all may write is trusted as far as it is sticky. Raises `UntrustedError`, and `OSError` where
    nothing is there.
    """
    if path in seen:
        return
    seen.add(path)
    parent = os.path.dirname(path)
    if parent != path:
        check(parent, seen)
    facts = os.lstat(path)
    if facts.st_uid not in _trusted():
        raise UntrustedError(f"{path} belongs to another user")
    if stat.S_ISLNK(facts.st_mode):
        check(os.path.normpath(os.path.join(os.path.realpath(parent), os.readlink(path))), seen)
    elif _others_can_write(path, facts) and not (stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX):
        raise UntrustedError(f"others can write {path}: chmod go-w {path}")


def _modules() -> set[str]:
    modules = list(sys.modules.values())
    names = [getattr(module, name, None) for module in modules for name in ("__file__", "__cached__")]
    # Where nothing was compiled there is no such file.
    return {os.path.abspath(name) for name in names if isinstance(name, str) and os.path.exists(name)}


def _mapped() -> set[str]:
    with open("/proc/self/maps", "rb") as maps:
        lines = [line.rstrip(b"\n").split(maxsplit=5) for line in maps]
    return {os.fsdecode(line[5]) for line in lines if len(line) > 5 and line[5].startswith(b"/")}


def _trusted() -> tuple[int, int]:
    return 0, os.geteuid()


def _others_can_write(path: str, facts: os.stat_result) -> bool:
    if facts.st_mode & stat.S_IWOTH:
        return True
    # With an access control list, the bits of the group are the mask of all entries in it.
    return bool(facts.st_mode & stat.S_IWGRP) and (_has_access_list(path) or not _is_ours(facts.st_gid))


def _has_access_list(path: str) -> bool:
    try:
        return _ACCESS_LIST in os.listxattr(path)
    except OSError:
        return False


def _is_ours(gid: int) -> bool:
    """Whether a group has no members but root and the keeper's user, as users' own groups have none."""
    import grp
    import pwd

    everyone = pwd.getpwall()
    members = {entry.pw_name for entry in everyone if entry.pw_gid == gid}
    for group in grp.getgrall():
        members.update(group.gr_mem if group.gr_gid == gid else ())
    return members <= {entry.pw_name for entry in everyone if entry.pw_uid in _trusted()}
