"""What all tests share."""

import gc
import itertools
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from support import pictures, skips
from support.keepers import remove_left_groups
from support.shares import begin_elsewhere, in_shares
from support.stack import Certificates

from omnyshell.security import key_files
from omnyshell.services.node import environment
from omnyshell.services.node.keeper.asking import end_keeper
from omnyshell.services.node.processes import local_backend

# Each run tries the same few examples, so that what a change breaks is told from what was always so; others, and many
# of them, are looked for with OMNYSHELL_OTHER_EXAMPLES=1, and by `soak.fuzz`.
LOOKS_FURTHER = "OMNYSHELL_OTHER_EXAMPLES" in os.environ
settings.register_profile(
    "default",
    deadline=None,
    max_examples=500 if LOOKS_FURTHER else 50,
    derandomize=not LOOKS_FURTHER,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")

# What is imported and collected stays: to look through it for garbage was a fifth of the time that a worker collects.
gc.disable()


@pytest.fixture(scope="session", name="homes")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Empty directories, for less than what each of thousands would cost among all that tests make."""
    place = tmp_path_factory.mktemp("homes")
    return (place / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_home(homes: Iterator[Path]) -> Iterator[None]:
    """Keep tests away from the user's logins and state, and end what a node left to its keeper."""
    home = next(homes)
    home.mkdir()
    os.environ["OMNYSHELL_HOME"] = str(home)
    yield
    os.environ.pop("OMNYSHELL_HOME", None)
    node = home / "state/local/node"
    if (node / "keeper").exists():
        end_keeper(node)


@pytest.fixture(scope="session", autouse=True)
def _alike_for_all(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What each test finds so, made once for thousands of them."""
    with pytest.MonkeyPatch.context() as patch:
        # Shells that tests start read nobody's profile: it takes time, and may leave a lock where it is killed.
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        # Whoever runs the tests in a terminal is not asked anything.
        patch.setenv("OMNYSHELL_NO_PROMPT", "1")
        if not any(_fetches(item) for item in request.session.items):
            # No authority of this machine is trusted, nor read: at each start of a hub it would be hundreds of files.
            authorities = tmp_path_factory.mktemp("authorities") / "none.pem"
            authorities.touch()
            patch.setenv("SSL_CERT_FILE", str(authorities))
            patch.setenv("SSL_CERT_DIR", str(authorities.parent))
        names = ("HUB", "PRINCIPAL", "TOKEN", "TOKEN_FILE", "KEY", "KEY_PASSPHRASE", "KEY_PASSPHRASE_FILE", "CA")
        for name in (*names, "BIND_CERTIFICATE"):
            patch.delenv(f"OMNYSHELL_{name}", raising=False)
        # Key files that this process writes say a lower cost; programs that are started write the real one.
        patch.setattr(key_files, "SCRYPT_COST", 2**8)
        patch.setattr(key_files, "SCRYPT_LANES", 1)
        patch.setattr(local_backend, "find_shells", _shells_that_were_found())
        yield


def _shells_that_were_found() -> Callable[[], Awaitable[Sequence[str]]]:
    """What finds the shells that work, each of which it would start for every node of every test, once for a path."""
    known: dict[str, Sequence[str]] = {}

    async def find_once() -> Sequence[str]:
        path = os.environ.get("PATH", "")
        if path not in known:
            known[path] = await environment.find_shells()
        return known[path]

    return find_once


def _fetches(item: pytest.Item) -> bool:
    """Whether a test has what it installs from other machines."""
    return any(item.get_closest_marker(name) for name in ("installs", "deb"))


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep `make coverage` out of what has a limit of time, and out of programs that say what they import."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and a hub certificate for loopback."""
    return Certificates.made(tmp_path_factory.mktemp("certs"), "localhost", "127.0.0.1", "::1")


def pytest_configure(config: pytest.Config) -> None:
    """Compile a share of the tests."""
    begin_elsewhere(config)


@given(strategies.none())
def _hold_of_nothing(_value: None) -> None:
    """Hold."""


@given(strategies.text(max_size=1))
def _write_down_characters(_value: str) -> None:
    """Have Hypothesis keep on disk which characters there are: it takes seconds, in the first run of a checkout."""


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Do once what each worker would do alone, while they collect."""
    if session.config.pluginmanager.has_plugin("dsession"):
        gc.enable()
        _write_down_characters()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what is short to the end."""
    items[:] = in_shares(items)


def pytest_collection_finish() -> None:
    """Leave thousands of collected tests out of every collection of garbage: it was a third of the console's tests."""
    # The first property has Hypothesis look for whoever refers to its generator, which it would not find once frozen.
    _hold_of_nothing()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended."""
    pictures.hear_worker(node)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Refuse pictures that no test makes any more, and tests that were skipped without a known reason."""
    # What is garbage now is looked for here, and what is none left out of the five times that pytest looks once more.
    gc.collect()
    gc.freeze()
    pictures.report_to_controller(session)
    if not hasattr(session.config, "workerinput"):
        remove_left_groups()
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.exitstatus != pytest.ExitCode.OK or reporter is None:
        return
    wrong = [f"no test makes {name} in snapshots/: delete it" for name in pictures.orphans(session.config)]
    skipped = skips.unknown(reporter.stats.get("skipped", []))
    wrong += [f"skipped, and not on the list in tests/support/skips.py: {test}" for test in skipped]
    for line in wrong:
        reporter.write_line(line, red=True)
    if wrong:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
