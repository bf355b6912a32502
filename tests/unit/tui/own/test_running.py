"""Running programs of this machine."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from support.deadline import DEADLINE

from omnyshell.errors import ConfigException
from omnyshell.tui.own.running import OUTPUT_LIMIT, run_in_background
from omnyshell.tui.preferences.command import Invocation


def python(script: str, *words: str, **environment: str) -> Invocation:
    return Invocation((sys.executable, "-I", "-S", "-c", script, *words), environment)


async def run(invocation: Invocation) -> tuple[bytes, int, bool]:
    shown: list[bytes] = []
    code, is_cut = await asyncio.wait_for(run_in_background(invocation, shown.append), DEADLINE)
    return b"".join(shown), code, is_cut


async def test_output_errors_code_and_variables_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNYSHELL_TOKEN", "secret")
    said = "os.environ.get('OMNYSHELL_TOKEN'), os.environ['WHERE'], sys.stdin.read()"
    script = f"import os,sys; print({said}, flush=True); sys.exit('bad')"
    output, code, is_cut = await run(python(script, WHERE="$(id)"))
    assert (output, code, is_cut) == (b"None $(id) \nbad\n", 1, False)


async def test_long_output_is_cut_and_the_program_ends_as_it_would() -> None:
    output, code, is_cut = await run(python(f"import sys; sys.stdout.write('x' * {OUTPUT_LIMIT * 4})"))
    assert (len(output), code, is_cut) == (OUTPUT_LIMIT, 0, True)


async def test_what_is_not_there_is_said() -> None:
    with pytest.raises(ConfigException, match="cannot run no-such-program-here: No such file"):
        await run_in_background(Invocation(("no-such-program-here",), {}), print)


@pytest.mark.parametrize("is_stubborn", [False, True])
async def test_leaving_ends_the_program_and_what_it_started(is_stubborn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnyshell.tui.own.running.PATIENCE", 0.2)
    ignores = "pid or signal.signal(15, signal.SIG_IGN); " if is_stubborn else ""
    leaves = "pid or os.closerange(0, 3); " if is_stubborn else ""
    script = f"import os,signal,time; pid = os.fork(); {ignores}print(os.getpid(), flush=True); {leaves}time.sleep(60)"
    shown: list[bytes] = []
    both = asyncio.Event()

    def show(data: bytes) -> None:
        shown.append(data)
        if b"".join(shown).count(b"\n") == 2:
            both.set()

    task = asyncio.create_task(run_in_background(python(script), show))
    await asyncio.wait_for(both.wait(), DEADLINE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    first, second = (int(line) for line in b"".join(shown).split())
    for pid in (first, second):
        # The other one is nobody's child any more, and may be a zombie for a moment.
        await asyncio.wait_for(_gone(pid), DEADLINE)


async def _gone(pid: int) -> None:
    stat = Path(f"/proc/{pid}/stat")
    with suppress(FileNotFoundError, ProcessLookupError):
        while stat.read_text().rpartition(")")[2].split()[0] != "Z":
            await asyncio.sleep(0.01)
