"""Says before an invite is made whether others can use it, and offers to have this machine's hub listen for them."""

from collections.abc import Sequence

from omnyshell.cli.ground.output import complain
from omnyshell.cli.ground.prompts import ask_line, is_asked
from omnyshell.hosts import canonical_host, is_loopback
from omnyshell.services.local.addresses import MachineAddress, machine_addresses
from omnyshell.services.local.listen import for_others, listen_from_now_on, own_hub_at
from omnyshell.services.local.listening import ALL, warning
from omnyshell.services.local.setup import LocalSetup
from omnyshell.transport.connection import HubAddress

TAKES_IT_BACK = "`omnyshell up --host localhost` takes it back."
TRIES = 3


def address_for_others(address: HubAddress) -> HubAddress:
    """Return the address that an invite is to name, for a hub that is dialled at `address` here.

    Where no other machine reaches it there, says so, and on a terminal has the hub of this machine listen on an address
    that the user chooses.
    """
    if not is_loopback(canonical_host(address.host)):
        return address
    setup = LocalSetup.default()
    running = own_hub_at(setup, address)
    if running is None:
        complain(
            f"omnyshell: no other machine can use this invite: it names {address.host}; "
            "give --hub with the name by which others dial the hub"
        )
    elif running.listening.is_loopback:
        _offer(setup)
    elif running.host in ALL:
        # The hub's certificate has to be for the addresses that there are now.
        listen_from_now_on(setup, running.host)
    return for_others(setup, address)


def _offer(setup: LocalSetup) -> None:
    here = machine_addresses()
    complain("omnyshell: the hub listens on the loopback alone, so no other machine can use this invite")
    if not is_asked() or not here:
        complain(f"omnyshell: `omnyshell up --host ADDRESS` has it listen on one of this machine{_such_as(here)}")
        return
    complain("It can listen on an address of this machine too, from now on:")
    choices = [one.address for one in here] + [ALL[1]]
    for number, line in enumerate([*map(str, here), "all of them, and those that it gets later"], 1):
        complain(f"  {number}  {line}")
    chosen = _choose(choices)
    if chosen:
        listen_from_now_on(setup, chosen)
        complain(f"omnyshell: {warning(chosen)} {TAKES_IT_BACK}")


def _such_as(here: Sequence[MachineAddress]) -> str:
    return f", as {here[0]}" if here else ", and it has none that others could reach"


def _choose(choices: Sequence[str]) -> str:
    """Return what the user chose, by its number or as it is; "" for nothing."""
    for _ in range(TRIES):
        answer = ask_line(f"Which, 1 to {len(choices)}? Enter leaves it as it is: ")
        if not answer:
            break
        if answer in choices:
            return answer
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]
    return ""
