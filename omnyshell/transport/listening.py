"""Why a port cannot be listened on, in words that say what to do."""

import errno
import os
import socket


def why_not(where: str, error: OSError) -> str:
    """Return what is said of an address that cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {where}: the port is in use; choose another, or 0 for a free one"
    if error.errno == errno.EACCES:
        return f"cannot listen on {where}: ports below 1024 need privileges; choose another"
    # asyncio has the address in its text once more.
    is_of_system = error.errno is not None and not isinstance(error, socket.gaierror)
    return f"cannot listen on {where}: {os.strerror(error.errno or 0) if is_of_system else error.strerror or error}"
