"""What was asked of somebody who may answer at once, or later: a hub alone answers itself at once."""

import asyncio
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from omnyshell.errors import OmnyShellException

T = TypeVar("T")

Taker = Callable[[T], None]
Failer = Callable[[OmnyShellException], None]


class Answer(Generic[T]):
    """A plain object that is given its value, or why there is none, once; what is given later changes nothing.

    Where it is there already, `then` calls at once and `await` does not let anybody else run.
    """

    def __init__(self) -> None:
        self._given: tuple[T | None, OmnyShellException | None] | None = None
        self._waiting: list[tuple[Taker[T], Failer]] = []

    @classmethod
    def of(cls, value: T) -> "Answer[T]":
        """Return one that is there."""
        made = cls()
        made.give(value)
        return made

    @property
    def is_there(self) -> bool:
        """Whether it has come."""
        return self._given is not None

    def give(self, value: T) -> None:
        """Answer."""
        self._settle(value, None)

    def fail(self, problem: OmnyShellException) -> None:
        """Answer that it cannot be had."""
        self._settle(None, problem)

    def then(self, take: Taker[T], fail: Failer) -> None:
        """Call one of the two when it is there; neither may raise."""
        self._waiting.append((take, fail))
        self._tell()

    def __await__(self) -> Generator[object, None, T]:
        """Return the value. Raises what it failed with."""
        if self._given is None:
            come = asyncio.get_running_loop().create_future()
            # Whoever waits may have been cancelled by then.
            self.then(lambda _: _wake(come), lambda _: _wake(come))
            yield from come
        return self.now()

    def now(self) -> T:
        """Return the value, which is there. Raises what it failed with."""
        if self._given is None:
            raise RuntimeError("there is no answer yet")
        value, problem = self._given
        if problem is not None:
            raise problem
        return value  # type: ignore[return-value]  # of an answer without a problem

    def _settle(self, value: T | None, problem: OmnyShellException | None) -> None:
        if self._given is None:
            self._given = (value, problem)
            self._tell()

    def _tell(self) -> None:
        if self._given is None:
            return
        _, problem = self._given
        waiting, self._waiting = self._waiting, []
        for take, fail in waiting:
            if problem is not None:
                fail(problem)
            else:
                take(self.now())


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
