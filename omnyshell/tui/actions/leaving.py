"""What ends with the console when it is left."""

from collections.abc import Iterable
from dataclasses import replace

from omnyshell.model.live import session_key
from omnyshell.services.client.live.state import HubState
from omnyshell.services.local.what_ends import WhatEnds
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.terminal.pane import TerminalPane

STAYS = "Your shells are detached, and go on."


class LeavingQuestion(Question):
    """Asks whether to leave, where somebody loses something by it."""


def what_leaving_ends(
    own_node: str, state: HubState, terminals: Iterable[TerminalPane], running: int, copies: int = 0
) -> WhatEnds:
    """Count what ends with the console: `own_node` is this machine's where its hub ends too, else "".

    `running` are the commands that it runs on many nodes, `copies` the transfers of files.
    """
    live = list(terminals)
    own = {
        session_key(pane.node_id, pane.attachment.session.id) for pane in live if pane.attachment.session is not None
    }
    commands = sum(pane.attachment.is_plain for pane in live) + running
    ends = WhatEnds.with_hub(state, own_node, own, and_node=False) if own_node else WhatEnds()
    return replace(ends, commands=commands, copies=copies)


def nodes_that_wait(own_node: str, state: HubState) -> list[str]:
    """Return a line about other nodes that wait for the hub of this machine, which ends with the console."""
    count = WhatEnds.with_hub(state, own_node, and_node=False).nodes if own_node else 0
    if not count:
        return []
    who = "1 other node waits" if count == 1 else f"{count} other nodes wait"
    return [f"{who} until this hub is back: `omnyshell up --background` serves it without a console."]


def question_about(ends: WhatEnds, *, is_hub: bool) -> LeavingQuestion:
    """Return the question that names what ends."""
    more = " `omnyshell up --background` serves this hub without a console, once this one is left." if is_hub else ""
    return LeavingQuestion("Leave, and end this?", "Leave", ends.lines(), STAYS + more)
