"""The owners of node ids: the principals that registered them first (docs/protocol.md#nodes)."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice

from omnyshell.errors import OmnyShellException
from omnyshell.services.hub.ground.state_file import StateFile, text
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.changes import ClaimNode, ReleaseNode, Transaction, together
from omnyshell.services.hub.truth.log import TruthLog

MOST_TOGETHER = 32
"""Ids that are claimed in one transaction: what follows from it is done in one step."""

Later = Callable[[Callable[[], None]], object]
_Claim = tuple[str, str]
"""A node id, and the principal that asks for it."""

NOBODY = ""
"""Stands for an unreadable owner of an id: no principal has that name, so only `ReleaseNode` frees the id."""


class NodeOwners:
    """The owners, in memory, updated by the log."""

    def __init__(self, file: StateFile, log: TruthLog, later: Later | None = None) -> None:
        """`later` has a function called when the present turn of the event loop is over.

        Without it each id is claimed by itself. Raises `ConfigException` where the file cannot be used.
        """
        self._log = log
        self._later = later
        self._is_gathering = False
        self._gathered: dict[_Claim, Answer[int]] = {}
        self._owners = dict(file.read("the node id", _owner, "SELECT node_id, principal FROM node_owners"))
        self._counts = Counter(self._owners.values())
        self._asked: dict[_Claim, Answer[int]] = {}
        self._asked_by: Counter[str] = Counter()
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
        return self._counts[principal] + self._asked_by[principal]

    def _ask(self, node_id: str, principal: str) -> Answer[int]:
        """Claim an id: at once, or together with others that come meanwhile, as each transaction has its price."""
        asked = node_id, principal
        if (earlier := self._asked.get(asked)) is not None:
            return earlier
        answer = self._asked[asked] = Answer[int]()
        self._asked_by[principal] += 1
        self._gathered[asked] = answer
        answer.then(lambda _: self._forget(asked), lambda _: self._forget(asked))
        if not self._is_gathering:
            self._claim_gathered()
        return answer

    def _claim_gathered(self) -> None:
        """Claim what was gathered, and gather again until that is done and the turn is over."""
        some = {claim: self._gathered.pop(claim) for claim in tuple(islice(self._gathered, MOST_TOGETHER))}
        self._is_gathering = bool(some) and self._later is not None
        if some:
            self._claim_all(some).then(lambda _: self._go_on(), lambda _: self._go_on())

    def _go_on(self) -> None:
        if self._later is not None:
            self._later(self._claim_gathered)

    def _claim_all(self, claims: dict[_Claim, Answer[int]]) -> Answer[int]:
        """Claim ids in one transaction, or each in its own where one of them cannot be had; return the answer."""
        made = self._log.append(together(*(ClaimNode(*each) for each in claims)))

        def given(seq: int) -> None:
            for answer in claims.values():
                answer.give(seq)

        def refused(problem: OmnyShellException) -> None:
            for claim, answer in claims.items():
                if len(claims) > 1 and isinstance(problem, ChangeRefusedException):
                    self._log.append(together(ClaimNode(*claim))).then(answer.give, answer.fail)
                else:
                    answer.fail(problem)

        made.then(given, refused)
        return made

    def _forget(self, asked: _Claim) -> None:
        del self._asked[asked]
        self._asked_by[asked[1]] -= 1
        if not self._asked_by[asked[1]]:
            del self._asked_by[asked[1]]

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
