"""Which files a node lets copy, whoever the user is whose transfer it is."""

from dataclasses import dataclass

from omnyshell.options.option import Check


@dataclass(frozen=True, slots=True)
class FilesPolicy:
    """What a node says of files, beside what the machine lets its user do."""

    roots: tuple[str, ...] = ()
    """The directories below which files may be; anywhere where there are none. `~` is the home of the user."""

    read_only: bool = False
    """Whether nothing may be written, renamed or removed."""

    is_offered: bool = True
    """Whether there is anything of this at all."""


def _is_root(root: str) -> bool:
    return (root.startswith(("/", "~/")) or root == "~") and "\0" not in root


IS_ROOTS = Check(
    lambda roots: all(map(_is_root, roots)),
    "write a directory as an absolute path, or as one in the home of whoever copies: ~/shared",
)
