"""Refuses a session if other users could change what a restricted node would run or use."""

from collections.abc import Callable

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.security import trust


class NotTrustedException(SessionRejectedException):
    """Other users can change where a path leads, or the file there."""

    default_code = ErrorCodes.NOT_AUTHORIZED


def trusted_path(path: str) -> str:
    """Check a path, and return it with links resolved, as `security.trust.trusted_path` does.

    Raises `NotTrustedException`, and `OSError` where nothing is there.
    """
    return _judged(trust.trusted_path, path)


def trusted_directory(path: str) -> str:
    """Check a directory's path, and return it with links resolved, as `security.trust.trusted_directory` does.

    Raises `NotTrustedException`, and `OSError` where no directory is there.
    """
    return _judged(trust.trusted_directory, path)


def _judged(judge: Callable[[str], str], path: str) -> str:
    try:
        return judge(path)
    except trust.UntrustedPathException as exc:
        raise NotTrustedException(str(exc)) from exc
