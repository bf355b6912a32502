"""Where others can decide what a restricted node would run or use, a session is refused."""

from collections.abc import Callable

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.security import trust


class NotTrustedException(SessionRejectedException):
    """Others can decide where a path leads, or what is there."""

    default_code = ErrorCodes.NOT_AUTHORIZED


def trusted_path(path: str) -> str:
    """Return where a path leads, as `trust.trusted_path` does.

    Raises `NotTrustedException`, and `OSError` where nothing is there.
    """
    return _judged(trust.trusted_path, path)


def trusted_directory(path: str) -> str:
    """Return where the path of a directory leads, as `trust.trusted_directory` does.

    Raises `NotTrustedException`, and `OSError` where no directory is there.
    """
    return _judged(trust.trusted_directory, path)


def _judged(judge: Callable[[str], str], path: str) -> str:
    try:
        return judge(path)
    except trust.UntrustedPathException as exc:
        raise NotTrustedException(str(exc)) from exc
