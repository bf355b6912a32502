"""What the console does to sessions, tunnels, nodes and principals: asks, does it, and says what came of it."""

from collections.abc import Callable

from omnyshell.printable import printable
from omnyshell.protocol.messages.admin import NodeLabelsSet
from omnyshell.tui import messages
from omnyshell.tui.actions import administration, live
from omnyshell.tui.dialogs.invite import InviteDialog, WantedInvite
from omnyshell.tui.dialogs.labels import LabelsDialog
from omnyshell.tui.dialogs.line import LineDialog
from omnyshell.tui.dialogs.lock import LockDialog
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.dialogs.tunnel import TunnelDialog, TunnelSpec
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.own.app import OwnApp
from omnyshell.tui.screens.access import AccessScreen
from omnyshell.tui.tasks import start_task


class AdministeringApp(OwnApp):
    """The part of the application that turns what rows are asked for into questions, forms and calls."""

    def on_kill_sessions(self, message: messages.KillSessions) -> None:
        """End sessions, after asking."""
        refs = message.sessions
        if not refs:
            return

        def kill(is_meant: bool | None) -> None:
            if is_meant:
                start_task(self, live.kill_sessions(self.hub, refs), "Ending sessions")

        names = [live.session_name(self.hub, ref) for ref in refs]
        title = "End this session?" if len(refs) == 1 else f"End {len(refs)} sessions?"
        self.push_screen(Question(title, "End", names, "What runs there is ended with it, saved or not."), kill)

    def ask_to_take_over(self, ref: SessionRef, answered: Callable[[bool | None], None]) -> None:
        """Ask, where another person has the session attached, whether it is to be taken; else the answer is yes."""
        holder = live.other_holder(self.hub, ref)
        if not holder:
            answered(True)
            return
        consequence = f"{printable(holder)} has it now, and loses it. `w` looks on without taking it."
        names = [live.session_name(self.hub, ref)]
        self.push_screen(Question("Take this session over?", "Take over", names, consequence), answered)

    def on_detach_sessions(self, message: messages.DetachSessions) -> None:
        """Detach sessions from their clients, and leave them running."""
        if message.sessions:
            start_task(self, live.detach_sessions(self.hub, message.sessions), "Detaching")

    def on_fan_out(self, message: messages.FanOut) -> None:
        """Ask for a command, and run it on nodes."""
        # Imported late, as below: the first frame needs none of it.
        from omnyshell.tui.fan_out.asking import ask_and_run

        if message.node_ids:
            ask_and_run(self, self.hub, message, self.clock)

    def on_ask_for_invite(self, _message: messages.AskForInvite) -> None:
        """Ask whom to invite, and show the line to paste."""
        lines: list[LineDialog] = []

        async def invite(wanted: WantedInvite) -> None:
            lines.append(await administration.invite(self.hub, wanted))

        def show(_wanted: WantedInvite | None) -> None:
            for line in lines:
                self.push_screen(line)

        self.push_screen(InviteDialog(invite, administration.reach(self.hub)), show)

    def on_lock(self, message: messages.Lock) -> None:
        """Ask for how long and why, and lock."""
        self.push_screen(LockDialog(lambda ask: administration.lock(self, self.hub, ask), message.kind, message.name))

    def on_revoke(self, message: messages.Revoke) -> None:
        """Revoke a principal, after asking."""
        node = self.hub.state.nodes.get(message.node_id)
        principal = message.principal or (node.principal if node is not None else "")
        if not principal:
            text = "The hub does not say whose node this is: only admins are told."
            self.notify(text, severity="warning", markup=False)
            return

        def revoke(is_meant: bool | None) -> None:
            if is_meant:
                work = administration.revoke(self, self.hub, principal, message.node_id)
                start_task(self, work, "Revoking")

        consequence = administration.what_revoking_ends(self.hub, principal, message.node_id)
        self.push_screen(Question("Revoke this principal?", "Revoke", [principal], consequence), revoke)

    def on_acknowledge_audit(self, _message: messages.AcknowledgeAudit) -> None:
        """Acknowledge the gaps in the audit trail, after asking."""

        def acknowledge(is_meant: bool | None) -> None:
            if is_meant:
                start_task(self, administration.acknowledge(self, self.hub), "Acknowledging")

        title, consequence = "Acknowledge what is wrong with the audit trail?", administration.ACKNOWLEDGING
        self.push_screen(Question(title, "Acknowledge", administration.gaps(self.hub), consequence), acknowledge)

    def on_ask_trails(self, message: messages.AskTrails) -> None:
        """Ask other hubs what they recorded."""
        # Imported late: most hubs are alone.
        from omnyshell.tui.actions.trails import read_trails

        async def read() -> None:
            records, missing = await read_trails(self.hub, message.hubs, message.since)
            for problem in missing.values():
                self.notify(printable(problem), title="Not all was read", severity="warning", markup=False)
            message.told(records, tuple(missing))

        start_task(self, read(), "Asking the other hubs", group="trails")

    def on_set_labels(self, message: messages.SetLabels) -> None:
        """Ask for the hub's labels of a node, and set them."""

        async def set_labels(request: NodeLabelsSet) -> None:
            async with self.hub.admin() as admin:
                await admin.do(request)

        node = self.hub.state.nodes.get(message.node_id)
        labels = node.hub_labels if node is not None else {}
        self.push_screen(LabelsDialog(message.node_id, labels, set_labels))

    def on_show_access(self, _message: messages.ShowAccess) -> None:
        """Show who may use the hub."""
        self.push_screen(AccessScreen(self.hub, self.clock))

    def on_show_hubs(self, _message: messages.ShowHubs) -> None:
        """Show the hubs."""
        # Imported late: most hubs are alone.
        from omnyshell.tui.screens.hubs import HubsScreen

        self.push_screen(HubsScreen(self.hub.state, self.clock))

    def on_drain_hub(self, message: messages.DrainHub) -> None:
        """Hand a hub's nodes and clients over, after asking; or have it take some again."""
        hub = message.hub
        if hub.is_handing_over:
            start_task(self, administration.fill(self, self.hub, hub), "Ending what drains a hub")
            return

        def drain(is_meant: bool | None) -> None:
            if is_meant:
                start_task(self, administration.drain(self, self.hub, hub), "Draining a hub")

        self.push_screen(Question("Drain this hub?", "Drain", [hub.hub], administration.DRAINING), drain)

    def on_invite_hub(self, _message: messages.InviteHub) -> None:
        """Ask what the hub is called, and show the line by which it joins."""
        from omnyshell.tui.actions import hubs
        from omnyshell.tui.dialogs.hub import HubDialog

        lines: list[LineDialog] = []

        async def invite(name: str) -> None:
            lines.append(await hubs.invite(self.hub, name))

        def show(_name: str | None) -> None:
            for line in lines:
                self.push_screen(line)

        self.push_screen(HubDialog(invite), show)

    def on_remove_hub(self, message: messages.RemoveHub) -> None:
        """Have a hub be no member any more, after asking."""
        from omnyshell.tui.actions import hubs

        name = message.hub

        def remove(is_meant: bool | None) -> None:
            if is_meant:
                start_task(self, hubs.remove(self, self.hub, name), "Removing a hub")

        self.push_screen(Question("Remove this hub for good?", "Remove", [name], hubs.REMOVING), remove)

    def on_ask_for_tunnel(self, message: messages.AskForTunnel) -> None:
        """Ask where to, and open a tunnel."""
        self.push_screen(TunnelDialog(message.node_id, self.open_tunnel))

    async def open_tunnel(self, spec: TunnelSpec) -> None:
        """Open a tunnel, and say where it is. Raises as `live.open_tunnel` does."""
        where = await live.open_tunnel(self.hub, spec)
        self.notify(printable(where), title="The tunnel is open", markup=False)

    def on_close_tunnels(self, message: messages.CloseTunnels) -> None:
        """Close tunnels and forwards, after asking."""
        ids = message.tunnel_ids
        if not ids:
            return

        def close(is_meant: bool | None) -> None:
            if is_meant:
                start_task(self, live.close_tunnels(self.hub, ids), f"Closing {what}")

        forwards = sum(live.is_forward(self.hub, tunnel_id) for tunnel_id in ids)
        what = "tunnels" if not forwards else "forwards" if forwards == len(ids) else "tunnels and forwards"
        title = f"Close this {what[:-1]}?" if len(ids) == 1 else f"Close {len(ids)} {what}?"
        names = [live.tunnel_name(self.hub, tunnel_id) for tunnel_id in ids]
        self.push_screen(Question(title, "Close", names, "Connections through it are cut."), close)
