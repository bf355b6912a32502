"""The owners of node ids: the principals that registered them first (docs/protocol.md#nodes)."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from omnyshell.services.hub.ground.state_file import StateFile, text
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.changes import ClaimNode, ReleaseNode, Transaction, together
from omnyshell.services.hub.truth.log import TruthLog

NOBODY = ""
"""Stands for an unreadable owner of an id: no principal has that name, so only `ReleaseNode` frees the id."""


class NodeOwners:
    """The owners, in memory, updated by the log."""

    def __init__(self, file: StateFile, log: TruthLog) -> None:
        """Raises `ConfigException` where the file cannot be used."""
        self._log = log
        self._owners = dict(file.read("the node id", _owner, "SELECT node_id, principal FROM node_owners"))
        self._counts = Counter(self._owners.values())
        self._asked: dict[tuple[str, str], Answer[int]] = {}
        log.follow(self._follow)

    def claim(self, node_id: str, principal: str) -> Answer[int]:
        """Give a free id to the principal. Fails as `TruthLog.append` does, with `id_taken` if it is another's."""
        owner = self._owners.get(node_id)
        if owner is None:
            return self._ask(node_id, principal)
        if owner == principal:
            # Nothing is written for an id that the principal has already, as when a whole fleet reconnects.
            return Answer.of(self._log.applied_seq)
        taken = Answer[int]()
        taken.fail(ChangeRefusedException("it is another's", code="id_taken"))
        return taken

    def owners(self) -> Mapping[str, str]:
        """Return the principals by node id."""
        return self._owners

    def count_of(self, principal: str) -> int:
        """Return how many ids a principal has, with those that it has asked for."""
        asked = sum(asks == principal for _, asks in self._asked) if self._asked else 0
        return self._counts[principal] + asked

    def _ask(self, node_id: str, principal: str) -> Answer[int]:
        asked = node_id, principal
        if (earlier := self._asked.get(asked)) is not None:
            return earlier
        answer = self._log.append(together(ClaimNode(node_id, principal)))
        if not answer.is_there:
            self._asked[asked] = answer
            answer.then(lambda _: self._forget(asked), lambda _: self._forget(asked))
        return answer

    def _forget(self, asked: tuple[str, str]) -> None:
        del self._asked[asked]

    def _follow(self, transaction: Transaction) -> Callable[[], None]:
        return partial(self._take, transaction)

    def _take(self, transaction: Transaction) -> None:
        for change in transaction.changes:
            if isinstance(change, ClaimNode | ReleaseNode):
                self._counts[self._owners.pop(change.node_id, NOBODY)] -= 1
            if isinstance(change, ClaimNode):
                self._owners[change.node_id] = change.principal
                self._counts[change.principal] += 1


def _owner(node_id: object, principal: object) -> tuple[str, str]:
    return text(node_id), principal if isinstance(principal, str) else NOBODY
