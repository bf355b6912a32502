"""The files of a node as a client's paths reach them."""

import os
from pathlib import Path

from omnyshell.services.node.files.child.places import Beneath
from omnyshell.services.node.files.child.tree import Tree


def beneath(root: Path, *more: Path) -> Tree:
    return Tree(Beneath([os.fsencode(each) for each in (root, *more)]), read_only=False)
