"""From a choice of nodes to a command that runs on them."""

from collections.abc import Iterable

from textual.app import App
from textual.screen import Screen

from omnyshell.clock import Clock
from omnyshell.tui.fan_out.dialog import CommandDialog
from omnyshell.tui.fan_out.runs import Job
from omnyshell.tui.fan_out.screen import FanOutScreen
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.messages import FanOut


def ask_and_run(app: App[int], hub: HubLink, wanted: FanOut, clock: Clock) -> None:
    """Ask for a command, and run it on the nodes, of which there is at least one; on one a command that is known."""
    node_ids = wanted.node_ids
    if wanted.command and len(node_ids) == 1:
        app.push_screen(FanOutScreen(hub, Job(wanted.command), node_ids, clock))
        return

    def run(job: Job | None) -> None:
        if job is not None:
            app.push_screen(FanOutScreen(hub, job, node_ids, clock))

    app.push_screen(CommandDialog(node_ids, wanted.command), run)


def running_in(screens: Iterable[Screen[object]]) -> int:
    """Return on how many nodes commands run still."""
    return sum(not run.is_over for screen in screens if isinstance(screen, FanOutScreen) for run in screen.runs)
