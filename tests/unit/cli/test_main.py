"""How a command starts: what is loaded, and what ctrl+c does meanwhile."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from support.deadline import DEADLINE

from omnyshell.cli import main

CODE = """
import sys
from omnyshell.cli.main import defer
defer("importlib.metadata")
import importlib.metadata
import websockets.version
assert "email.message" not in sys.modules
assert importlib.metadata.version("websockets") == websockets.version.version
assert "email.message" in sys.modules
from importlib.metadata import distribution
assert distribution("websockets").version
"""


def test_a_deferred_module_is_loaded_by_its_first_use() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", CODE], check=True, timeout=DEADLINE)


def test_ctrl_c_while_a_command_is_imported_ends_it_once_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that is cut short leaves classes that crash."""
    seen: list[str] = []

    def load(_name: str) -> SimpleNamespace:
        signal.raise_signal(signal.SIGINT)
        seen.append("imported")
        return SimpleNamespace(list_nodes=lambda _options: seen.append("run"), run=lambda _options: seen.append("run"))

    monkeypatch.setattr(main, "import_module", load)
    monkeypatch.setattr(main, "defer_unused", lambda: None)
    assert main.run(["nodes", "list"]) == main.INTERRUPTED
    assert seen == ["imported"]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


LOADED = """
import sys
from omnyshell.cli.main import defer_unused
defer_unused()
from omnyshell.cli.grammar.parsing import find_command, parse
command, words = find_command(["exec", "n1", "true"])
parse(command, words)
import omnyshell.cli.sessions.exec
import omnyshell.cli.ssh.proxy
from omnyshell.model.schema import wire_fields
from omnyshell.protocol.messages import SessionOpened
wire_fields(SessionOpened)
print(sorted({"ast", "dis", "shutil", "lzma", "typing_extensions", "email.message"} & set(sys.modules)))
import typing_extensions
import inspect
assert inspect.signature(parse).parameters
"""


def test_a_cold_command_loads_nothing_that_reads_source_code_nor_measures_the_terminal(unmeasured: None) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], check=True, timeout=DEADLINE, capture_output=True, text=True)
    assert done.stdout == "[]\n"
