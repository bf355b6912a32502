"""An ordered stream of records: published at an exact place, and read from a number on."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from omnyshell.errors import ErrorCodes, OmnyShellException


class EngineAwayException(OmnyShellException):
    """The engine cannot be reached, or did not answer in time.

    What was published may have been written all the same: then it is read.
    """

    default_code = ErrorCodes.ENGINE_AWAY


class MisplacedException(OmnyShellException):
    """The stream is further than the record's place: what came before has to be read first. Nothing was written."""


class UncertainException(OmnyShellException):
    """The stream seems to be another one than what was read: it is looked at again before that is believed.

    A server that led it, and has not heard yet that it does no more, says what it knew.
    """


class NotPermittedException(OmnyShellException):
    """The engine does not let this hub do that; its credential says what it may do."""

    default_code = ErrorCodes.NOT_AUTHORIZED


class Stored(NamedTuple):
    """A record of a stream."""

    seq: int
    """Its number; the first one is 1. Those of others may be left out where a stream keeps only the last of each
    subject."""

    subject: str
    data: bytes
    at: float = 0.0
    """When the engine took it, in Unix seconds by the clock of its server that led; 0 where that is not known."""


class Origin(NamedTuple):
    """What tells a stream from another one of its name."""

    created: str
    """When it was made, as the engine says it."""

    last: int
    """The number of its last record."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record has to be: the numbers of the last records before it; 0 for none, None where that is open."""

    last: int | None = None
    """Of the whole stream."""

    last_of_subject: int | None = None
    """Of the subjects that `subjects` names."""

    subjects: str = ""
    """Subjects, with wildcards; the record's own one if empty."""


class Reader(Protocol):
    """Whoever reads a stream. Its methods are called one after another and must not block."""

    def begin_reading(self, origin: Origin) -> int:
        """Return the number to read from, each time that reading begins.

        The last one that was taken is among them, so that it can be compared; who leads the stream is asked for it.
        Raises `OmnyShellException` if this is not the stream that was read before; it is told again and again then.
        """

    def take(self, stored: Stored) -> None:
        """Take the next record. Raises `OmnyShellException` to have reading begin anew."""

    def at_end(self) -> None:
        """All that the stream held when reading began was taken."""

    def gone(self) -> None:
        """The engine is there, and says again and again that it has no such stream."""


class Order(Protocol):
    """One stream."""

    @property
    def is_there(self) -> bool:
        """Whether the engine is reached, as far as is known, and what it holds is read as it comes."""

    @property
    def away_for(self) -> float:
        """For how many seconds it has not been; 0 while it is, infinity if it never was."""

    async def publish(self, subject: str, data: bytes, place: Place) -> int:
        """Write a record, and return its number. What the stream's readers take, this one takes too.

        Raises `MisplacedException`, `NotPermittedException`, and `EngineAwayException` within seconds.
        """
