"""Sessions that wait for another hub: each is asked for there or given up, whatever becomes of the others."""

import asyncio
from typing import Any, cast

from support.deadline import DEADLINE

from omnyshell.errors import OmnyShellException, SessionRejectedException
from omnyshell.services.client.elsewhere import Elsewhere


class Session:
    """One that is asked for, until a test ends it."""

    def __init__(self) -> None:
        self.is_opening = True
        self.asked = 0
        self.problem: OmnyShellException | None = None

    def give_up(self, problem: OmnyShellException) -> None:
        self.problem, self.is_opening = problem, False


async def test_a_session_that_ends_on_the_way_to_another_hub_keeps_no_other_from_it() -> None:
    for has_gone in (True, False):
        may_go = asyncio.Event()

        async def go(may_go: asyncio.Event = may_go, has_gone: bool = has_gone) -> bool:
            await may_go.wait()
            return has_gone

        elsewhere, first, second = Elsewhere(go), Session(), Session()
        refused = SessionRejectedException("its hub is not reached")

        def ask(session: Any) -> None:
            session.asked += 1

        assert elsewhere.take(ask, cast("Any", first), refused)
        await asyncio.sleep(0)
        # As where nobody waits for it any more.
        first.is_opening = False
        assert elsewhere.take(ask, cast("Any", second), refused)
        may_go.set()
        async with asyncio.timeout(DEADLINE):
            while not second.asked and second.problem is None:
                await asyncio.sleep(0)
        assert (first.asked, second.asked, second.problem) == (0, int(has_gone), None if has_gone else refused)
        await elsewhere.close()
