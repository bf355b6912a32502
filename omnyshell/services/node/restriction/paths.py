"""How a path may be written in a rule."""

from pathlib import PurePosixPath


def path_flaw(path: str) -> str:
    """Return why a path is not absolute and in canonical spelling; "" if it is."""
    if not path.startswith("/"):
        return "is not absolute"
    if ".." in PurePosixPath(path).parts:
        return "has '..' in it"
    if "\0" in path or path != str(PurePosixPath(path)) or path.startswith("//"):
        return "is not written plainly: leave out '.', double and final slashes"
    return ""
