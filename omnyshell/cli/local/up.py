"""`omnyshell up`: a hub and a node for this machine, without any configuration."""

import argparse
import os
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path

from omnyshell.cli.ground.output import complain, say
from omnyshell.cli.ground.prompts import is_asked
from omnyshell.cli.local.down import wait_until
from omnyshell.cli.local.listening import where_it_listens
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.extras import require
from omnyshell.paths import logins_file, open_file, open_own
from omnyshell.services.client.access import without_secrets
from omnyshell.services.client.login_store import CredentialStore
from omnyshell.services.local.listen import listen_from_now_on
from omnyshell.services.local.listening import warning
from omnyshell.services.local.setup import LOGIN_NAME, LocalSetup, Running
from omnyshell.services.node.keeper.asking import end_keeper

START_TIMEOUT = 90.0
"""Seconds in which a server that neither serves nor ends is taken for one that hangs: a busy machine takes twenty."""

STOP_TIMEOUT = 10.0
LOOK_AT_SERVER = 1.0

LONGEST_LINE = 64 * 1024
"""Bytes of the end of a log in which its last line is looked for."""


def up(options: argparse.Namespace) -> int:
    """Start the local hub and node, or use running ones."""
    if options.port is not None and not 0 <= options.port <= 65535:
        raise ConfigException(f"--port {options.port}: ports are 0 to 65535")
    setup = LocalSetup.default()
    if options.shell and options.background:
        raise ConfigException("--shell and --background exclude each other")
    require("hub")
    if options.host is not None:
        _listen(setup, options.host, options.port)
    if options.shell:
        return _with_shell(setup, options.port)
    running = setup.running()
    if running is not None:
        say(f"already up (process {running.pid})")
        _say_how(running)
        return 0
    if options.background:
        _say_how(_spawn(setup, options.port, lifeline=False)[0])
        say(f"log      {setup.log_file}")
        say("`omnyshell down` ends it")
        return 0
    from omnyshell.cli.local.server import serve

    return serve(setup, options.port, on_ready=_say_how_to_end, asks=is_asked())


def _with_shell(setup: LocalSetup, port: int | None) -> int:
    running, server = setup.running(), None
    if running is None:
        running, server = _spawn(setup, port, lifeline=True)
    say(f"hub {running.url}, node {running.node_id}: a shell through both; `exit` or ~. ends it")
    try:
        return _shell(setup, running, server)
    finally:
        if server is not None:
            _end(server)
            # One that was killed has not ended what its keeper holds.
            end_keeper(setup.node_state)


def _shell(setup: LocalSetup, running: Running, server: "subprocess.Popen[bytes] | None") -> int:
    from omnyshell.cli.ground.loop import run
    from omnyshell.cli.sessions.connect import FORWARDED_VARIABLES, run_session
    from omnyshell.guardian import guarding

    env = {name: os.environ[name] for name in FORWARDED_VARIABLES if name in os.environ}
    with guarding() as guardian:
        session = run_session(setup.admin_access(running), running.node_id, [], env, None, guardian)
        return run(_while_served(session, server, setup.log_file))


async def _while_served(
    session: Coroutine[None, None, int], server: "subprocess.Popen[bytes] | None", log: Path
) -> int:
    """Show a session until it ends.

    Raises `OmnyShellException` if our own server ends before, which ends the session too.
    """
    import asyncio

    from omnyshell.cli.sessions.connect import begin_line

    showing = asyncio.get_running_loop().create_task(session)
    while not (await asyncio.wait({showing}, timeout=LOOK_AT_SERVER))[0]:
        if server is not None and server.poll() is not None:
            showing.cancel()
            await asyncio.wait({showing})
            begin_line()
            raise OmnyShellException(f"the hub and its node have ended, and the session with them (see {log})")
    return showing.result()


def _spawn(setup: LocalSetup, port: int | None, *, lifeline: bool) -> "tuple[Running, subprocess.Popen[bytes]]":
    """Start the server as a process of its own and wait until it serves.

    With `lifeline` it ends when this process ends, even by a crash. Raises `OmnyShellException` with the last line of
    its log if it does not start.
    """
    setup.prepare_directory()
    # -P: nothing is imported from the directory in which the user happens to be.
    command = [sys.executable, "-P", "-m", "omnyshell.cli.local.server"]
    command += [f"--port={port}"] if port is not None else []
    command += ["--lifeline"] if lifeline else []
    causes, told = os.pipe()
    with os.fdopen(open_own(setup.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as log:
        server = subprocess.Popen(  # noqa: S603
            [*command, f"--cause-to={told}"],
            pass_fds=(told,),
            stdin=subprocess.PIPE if lifeline else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=without_secrets(os.environ),
        )
    os.close(told)
    with os.fdopen(causes, "rb") as file:
        wait_until(lambda: setup.running() is not None or server.poll() is not None, START_TIMEOUT)
        running = setup.running()
        if running is None:
            _end(server)
            # The log may be on a disk that is full.
            cause = file.read().decode(errors="replace") or _last_line(setup.log_file)
            raise OmnyShellException(f"the hub did not start: {cause} (see {setup.log_file})")
    return running, server


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _last_line(log: Path) -> str:
    with open_file(log) as file:
        file.seek(-min(os.fstat(file.fileno()).st_size, LONGEST_LINE), os.SEEK_END)
        lines = file.read(LONGEST_LINE).decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("omnyshell: ") if lines else "it wrote nothing"


def _listen(setup: LocalSetup, host: str, port: int | None) -> None:
    """Choose where the hub listens, and say what that means."""
    chosen = listen_from_now_on(setup, host, port or None)
    if told := warning(chosen.host):
        complain(f"omnyshell: {told} `omnyshell up --host localhost` takes it back.")


def _say_how(running: Running) -> None:
    default = CredentialStore(logins_file()).get()
    # If another login is the default, commands need `--hub` to reach this hub.
    hub = "" if default is not None and default.hub == running.url else f" --hub {LOGIN_NAME}"
    say(f"hub      {running.url}")
    for line in where_it_listens(running):
        say(line)
    say(f"node     {running.node_id}")
    say(f"try      omnyshell connect{hub} {running.node_id}")


def _say_how_to_end(running: Running) -> None:
    _say_how(running)
    say("ctrl+c ends it")
