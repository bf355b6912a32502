"""The loop of a short command ends at signals, also while it waits."""

import asyncio
import os
import signal

import pytest

from omnyshell.cli.ground.loop import run_until_signal


async def waiting(number: int) -> int:
    asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), number)
    await asyncio.Event().wait()
    return 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_short_command_ends_at_a_signal_and_then_handles_it_no_more(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    assert run_until_signal(waiting(number)) == 128 + number
    assert signal.getsignal(number) is before


def test_a_signal_that_is_ignored_stays_so() -> None:
    async def main() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        return 7

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_until_signal(main()) == 7
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
