"""The sentences of declarations: what stands as a text under a field, a member of an enum or a constant.

They are read from the source, so that a running program neither keeps nor reads them.
"""

import ast
import inspect
from functools import cache
from itertools import pairwise
from types import ModuleType


@cache
def sentences_of(owner: type | ModuleType) -> dict[str, str]:
    """What is said of each name that the body of a class, or of a module, declares."""
    body = _body_of(owner)
    return {
        name: inspect.cleandoc(below.value.value)
        for declared, below in pairwise(body)
        if (name := _name_of(declared))
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


def sentence_of(owner: type, name: str) -> str:
    """What is said of a field, where it is declared or where that is derived from; empty where nothing is."""
    return next((said[name] for base in owner.__mro__ if name in (said := _of_class(base))), "")


def summary_of(owner: type) -> str:
    """What a class says of itself, in its first paragraph."""
    return " ".join((inspect.getdoc(owner) or "").partition("\n\n")[0].split())


def _of_class(owner: type) -> dict[str, str]:
    return sentences_of(owner) if owner.__module__.startswith("omnyshell.") else {}


def _body_of(owner: type | ModuleType) -> list[ast.stmt]:
    if isinstance(owner, ModuleType):
        return _module_body(owner.__file__)
    body = _module_body(inspect.getfile(owner))
    return next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == owner.__name__)


@cache
def _module_body(file: str | None) -> list[ast.stmt]:
    assert file is not None
    with open(file, encoding="utf-8") as source:  # noqa: PTH123
        return ast.parse(source.read()).body


def _name_of(declared: ast.stmt) -> str:
    if isinstance(declared, ast.AnnAssign):
        target: ast.expr = declared.target
    elif isinstance(declared, ast.Assign):
        target = declared.targets[0]
    else:
        return ""
    return target.id if isinstance(target, ast.Name) else ""
