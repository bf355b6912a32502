"""Many cases of a millisecond each in one test: to collect, send and report a test of its own takes three."""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

LONGEST_NAME = 500
"""Characters of a case that are shown, where it has no name."""


def in_one_test(
    names: str | Sequence[str], cases: Iterable[Any], *, ids: Callable[[Any], Any] | Iterable[Any] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Have a test try all cases, told as to `pytest.mark.parametrize`, and then name each that failed, with its error.

    It is for tests that share what fixtures made, or need none: those are made once. `ids` are names of cases, or make
    one of each value.
    """
    given = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    tried = [case if len(given) > 1 or _is_param(case) else (case,) for case in cases]
    named = ids if ids is None or callable(ids) else list(ids)

    def decorated(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def every(**others: Any) -> None:
            failed = []
            for place, case in enumerate(tried):
                try:
                    test(**others, **dict(zip(given, _values(case), strict=True)))
                except (Exception, pytest.fail.Exception) as exc:
                    exc.add_note(f"in the case {_name(case, place, named)}")
                    failed.append(exc)
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(tried)} cases fail", failed)

        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in given]
        every.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return every

    return decorated


def _is_param(case: Any) -> bool:
    return hasattr(case, "values") and hasattr(case, "marks")


def _values(case: Any) -> Sequence[Any]:
    return tuple(case.values if _is_param(case) else case)


def _name(case: Any, place: int, ids: Callable[[Any], Any] | Sequence[Any] | None) -> str:
    if callable(ids):
        return "-".join(str(ids(value)) for value in _values(case))
    if ids is not None:
        return str(ids[place])
    return str(case.id) if _is_param(case) and case.id else repr(_values(case))[:LONGEST_NAME]
