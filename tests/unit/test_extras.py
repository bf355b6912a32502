"""Each extra alone: what is not installed is asked for by its name, and nothing else of the package is missed.

Nothing is downloaded: an installation is this one, with all modules hidden that it would not have.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.distributions import PYPROJECT, closure, modules_of, other_modules, requirements
from support.in_one_test import in_one_test

import omnyshell
from omnyshell.extras import PARTS, MissingExtraException, needs, require

PACKAGE = Path(omnyshell.__file__).parent
HIDING = """
import sys
class Hiding:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hiding())
# `find_spec` of importlib.util does not raise for what is not there.
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in hidden else found(name, package)
"""

IMPORT = re.compile(r"^ *(?:from|import) (\w+)[\w.]*(?: import .*| as \w+)?$", re.MULTILINE)

ALONE = {
    "": (
        *("cli.sessions.exec", "cli.sessions.connect", "cli.node.start", "cli.node.join", "cli.grammar.completion"),
        *("cli.hub.audit", "cli.hub.backup", "cli.files.cp"),
    ),
    "hub": ("cli.hub.start", "cli.local.server", "services.hub.hub", "services.hub.tunnels.http.forwarder"),
    "console": ("tui.start", "tui.app", "tui.web.driver"),
    "web": ("tui.web.server",),
    "vitals": ("services.node.vitals.machine",),
    "cluster": ("services.hub.cluster.nats.stream", "services.hub.hub"),
    "fast": ("transport.serve_tls",),
    "files": ("services.node.files.child.adapter", "services.client.files.remote", "cli.files.cp"),
}
"""What works where one extra is installed, and nothing else but what every installation has."""

LACKING = {
    "": [
        ("hub", "cli.main", ["hub", "start", "--cert", "c", "--key", "k"]),
        ("hub", "cli.main", ["up"]),
        ("hub", "cli.main", ["up", "--background"]),
        ("hub", "tui.main", ["--headless"]),
        ("console", "tui.main", []),
        ("files", "cli.main", ["cp", "file", "n1:"]),
    ],
    "console": [
        ("hub", "tui.main", ["--local"]),
        ("web", "tui.main", ["--web", "--hub=wss://localhost:1", "--principal=ann", "--token-file=t"]),
    ],
}
"""By the extra that is installed: commands, and the extra that they miss."""


def run_with(extra: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run code where one extra is installed alone."""
    code = f"hidden = set({sorted(other_modules(closure(extra)))!r})\n{HIDING}\n{code}"
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)


def test_each_extra_is_tried_alone() -> None:
    declared = set(tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"])
    parts = declared - {"dev", "bench", "docs", "release", "all"}
    assert {"", *parts} == set(ALONE)
    assert {"fast", "vitals", *PARTS} == parts
    assert requirements("all") == set().union(*map(requirements, parts))


@in_one_test("extra", ALONE)
def test_an_extra_brings_all_that_its_part_loads(extra: str) -> None:
    result = run_with(extra, "\n".join(f"import omnyshell.{name}" for name in ALONE[extra]))
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("installed", LACKING)
def test_a_command_says_in_one_sentence_which_extra_it_needs(installed: str) -> None:
    code = """
import os
os.environ["TEXTUAL_DRIVER"] = "none"
"""
    for _, program, words in LACKING[installed]:
        code += f"from omnyshell.{program} import run\nassert run({words!r}) in (1, 255), {words!r}\n"
    result = run_with(installed, code)
    assert result.returncode == 0, result.stderr
    for (extra, program, _), line in zip(LACKING[installed], result.stderr.splitlines(), strict=True):
        name = "omnyshell" if program.startswith("cli") else "omnyshell-console"
        assert line.startswith(f"{name}: {PARTS[extra].title} is not installed"), line
        assert line.endswith(f"pip install 'omnyshell[{extra}]'"), line


def test_help_needs_no_extra() -> None:
    code = """
from omnyshell.cli.main import run as command
from omnyshell.tui.main import run as console
for run, words in ((command, ["hub", "start", "--help"]), (console, ["--help"])):
    try:
        run(words)
    except SystemExit as exc:
        assert not exc.code
"""
    assert run_with("", code).stderr == ""


def test_every_module_below_the_console_loads_or_names_the_extra_it_needs() -> None:
    code = """
import importlib, json, pkgutil, omnyshell
lacking = {}
for found in pkgutil.walk_packages(omnyshell.__path__, "omnyshell.", onerror=lambda name: None):
    # What serves files is a process of its own, which says by itself what is missing.
    if not found.name.startswith(("omnyshell.tui.", "omnyshell.services.node.files.child.")):
        try:
            importlib.import_module(found.name)
        except ImportError as exc:
            lacking[found.name] = getattr(exc, "extra", repr(exc))
print(json.dumps(lacking))
"""
    lacking = json.loads(run_with("", code).stdout)
    assert set(lacking.values()) == {"hub", "cluster", "files"}
    assert {"omnyshell.services.hub.hub", "omnyshell.cli.hub.start", "omnyshell.services.local.hub"} <= set(lacking)
    of_others = [name for name, extra in lacking.items() if extra != "files"]
    assert not [name for name in of_others if name.startswith(("omnyshell.services.node", "omnyshell.services.client"))]


def test_a_public_name_says_which_extra_it_needs() -> None:
    code = """
import omnyshell
try:
    omnyshell.OmnyShellHub
except omnyshell.OmnyShellException as exc:
    assert isinstance(exc, ImportError)
    print(exc)
"""
    assert "pip install 'omnyshell[hub]'" in run_with("", code).stdout


def test_the_modules_of_a_part_are_those_that_its_extra_asks_for() -> None:
    for extra, part in PARTS.items():
        below = {"web": "console", "cluster": "hub"}.get(extra, "")
        asked = requirements(extra) - requirements("") - requirements(below)
        assert set(part.modules) <= modules_of(asked)
        assert asked == {name for name in asked if modules_of([name]) & set(part.modules)}
        require(extra)


def test_what_is_imported_is_asked_for() -> None:
    """A library that only comes with another one may be gone with that one's next release."""
    always = modules_of(requirements(""))
    of_part = {
        "tui/web/": modules_of(requirements("web")),
        "tui/": modules_of(requirements("console")),
        "services/hub/cluster/nats/": modules_of(requirements("cluster")),
        "services/hub/": modules_of(requirements("hub")),
        "transport/serve_tls.py": modules_of(requirements("fast")),
        "services/node/files/": modules_of(requirements("files")),
        "services/client/files/": modules_of(requirements("files")),
    }
    for path in PACKAGE.rglob("*.py"):
        place = str(path.relative_to(PACKAGE))
        allowed = next((found for part, found in of_part.items() if place.startswith(part)), always)
        used = (
            set(IMPORT.findall(path.read_text()))
            - sys.stdlib_module_names
            - {"omnyshell", "omnyshell_files", "omnyshell_keeper"}
        )
        assert used <= allowed, place


def test_a_module_of_ones_own_that_is_missing_is_no_missing_extra() -> None:
    for name in ("omnyshell.nothing", "fcntl", ""):
        with pytest.raises(ModuleNotFoundError) as raised, needs("hub"):
            raise ModuleNotFoundError(name=name or None)
        assert not isinstance(raised.value, MissingExtraException)
