"""An answer that may be there at once, or come later. A hub that is alone answers itself at once."""

import asyncio
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from omnyshell.errors import OmnyShellException

T = TypeVar("T")

Taker = Callable[[T], None]
Failer = Callable[[OmnyShellException], None]


class Answer(Generic[T]):
    """Holds a value, or the error in its place. It is set once; setting it again has no effect. No I/O.

    If it is set already, `then` calls back at once, and `await` does not yield to the event loop.
    """

    def __init__(self) -> None:
        self._given: tuple[T | None, OmnyShellException | None] | None = None
        self._waiting: list[tuple[Taker[T], Failer]] = []

    @classmethod
    def of(cls, value: T) -> "Answer[T]":
        """Return an answer that is set already."""
        made = cls()
        made.give(value)
        return made

    @property
    def is_there(self) -> bool:
        """Whether it is set."""
        return self._given is not None

    def give(self, value: T) -> None:
        """Set the value."""
        self._settle(value, None)

    def fail(self, problem: OmnyShellException) -> None:
        """Set the error."""
        self._settle(None, problem)

    def then(self, take: Taker[T], fail: Failer) -> None:
        """Call `take` with the value, or `fail` with the error, once it is set. Neither may raise."""
        self._waiting.append((take, fail))
        self._tell()

    def __await__(self) -> Generator[object, None, T]:
        """Wait for the value. Raises the error."""
        if self._given is None:
            come = asyncio.get_running_loop().create_future()
            # The waiter may have been cancelled by then.
            self.then(lambda _: _wake(come), lambda _: _wake(come))
            yield from come
        return self.now()

    def now(self) -> T:
        """Return the value of an answer that is set. Raises the error."""
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
