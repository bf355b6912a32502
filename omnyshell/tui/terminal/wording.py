"""What a pane says of its session: what it waits for, how it ended, and the keys for that."""

from typing import Final

from rich.text import Text

from omnyshell.services.client.states import ExitStatus
from omnyshell.tui.terminal.attachment import Attachment, Phase
from omnyshell.tui.terminal.tab import one_line

LONGEST_NOTICE: Final = 300

STATES: Final = {
    Phase.OPENING: "opening",
    Phase.LIVE: "attached",
    Phase.WAITING: "waiting",
    Phase.EXITED: "ended",
    Phase.DETACHED: "detached",
    Phase.TAKEN: "taken over",
    Phase.FAILED: "failed",
    Phase.HELD: "not attached",
}
"""A word for each phase."""


def notice(attachment: Attachment, node_id: str, name: str) -> Text:
    """Return the notice of the present phase; empty for a session that is live."""
    phase = attachment.phase
    if phase is Phase.OPENING:
        return Text(f"Opening {name} ...")
    if phase is Phase.WAITING:
        return Text(f"{_what_is_lost(attachment, node_id)} What you type is sent then.")
    if phase is Phase.EXITED:
        return with_keys(_how_it_ended(attachment.ending.status), "r", "runs it again")
    if phase is Phase.TAKEN:
        by = f" by {one_line(attachment.taken_by)}" if attachment.taken_by else ""
        return with_keys(f"The session was taken from here{by}.", "r", "takes it back")
    if phase is Phase.FAILED:
        return with_keys(one_line(str(attachment.ending.error), LONGEST_NOTICE), "r", "tries again")
    return Text()


def _what_is_lost(attachment: Attachment, node_id: str) -> str:
    if attachment.waits_for_node:
        return f"{one_line(node_id)} is offline; waiting until it is back."
    return "The hub is lost; trying to get it back."


def _how_it_ended(status: ExitStatus | None) -> str:
    if status is None:
        return "The session was ended."
    if status.signal or status.code < 0:
        return f"Ended by signal {status.signal or -status.code}."
    return f"Ended with exit code {status.code}."


def with_keys(words: str, key: str, does: str) -> Text:
    """Return words with the key that does something about it, and the one that closes the pane."""
    return Text.assemble(
        words, "   ", (f" {key} ", "bold reverse"), f" {does}   ", (" enter ", "bold reverse"), " closes it"
    )
