"""The package for Debian, on a machine of its own: installed, upgraded with sessions running, removed and purged."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.debian_machine import Machine, base_system, end, machine
from support.system import until

from omnyshell.keeper.main import REFUSED

ROOT = Path(__file__).parents[2]
HOME = "/usr/lib/omnyshell"
SERVICES = ("omnyshell-hub.service", "omnyshell-keeper.service", "omnyshell-node.service")
pytestmark = [pytest.mark.deb, pytest.mark.timeout(900)]


def make_package(directory: Path) -> Path:
    words = ["make", "-s", "deb", f"DEBS={directory}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.split()[-1])


def make_next(package: Path, directory: Path) -> Path:
    """Make the version that comes after a package, with another keeper."""
    tree = directory / "next"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    (module,) = tree.glob(f"{HOME[1:]}/lib/*/site-packages/omnyshell/keeper/wire.py")
    module.write_text(module.read_text() + "# The next version.\n")
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 9:"))
    built = directory / "next.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, built], check=True, capture_output=True
    )
    return built


@pytest.fixture(scope="module")
def base() -> Path:
    return base_system()


@pytest.fixture(scope="module")
def packages(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `first.deb` and `next.deb`."""
    place = tmp_path_factory.mktemp("packages")
    make_package(place).rename(place / "first.deb")
    make_next(place / "first.deb", place)
    return place


def install(on: Machine, name: str) -> None:
    on.run("dpkg", "--force-unsafe-io", "--install", f"/shared/{name}")


def configure(on: Machine) -> None:
    """Configure a hub and a node as the files in /etc/omnyshell say, and Ann, a user who may be root as well."""
    on.run("omnyshell", "cert", "gen", "--out", "/etc/omnyshell", "--host", "localhost")
    on.run("chown", "omnyshell-hub", "/etc/omnyshell/hub.pem", "/etc/omnyshell/hub.key")
    lines = ""
    for name, role, key in (("ann", "admin", "/root/ann.key"), ("box", "node", "/etc/omnyshell/node.key")):
        lines += on.run("omnyshell", "keygen", "--out", key, "--principal", name).replace("ROLE,ROLE", role)
    on.write("/etc/omnyshell/authorized_keys", lines)
    hub, node = (on.run("cat", f"/etc/omnyshell/{kind}.toml") for kind in ("hub", "node"))
    on.write("/etc/omnyshell/hub.toml", hub + 'authorized-keys = "/etc/omnyshell/authorized_keys"\n')
    first = 'hub = "wss://localhost:8443"\nid = "deb-1"\nprincipal = "box"\n'
    on.write("/etc/omnyshell/node.toml", f'{first}{node}[users]\nann = ["ann", "root"]\n')
    on.run("useradd", "--create-home", "--shell", "/bin/bash", "ann")


def start_services(on: Machine) -> None:
    for kind in ("hub", "node"):
        on.run("omnyshell", "service", "install", kind, "--config", f"/etc/omnyshell/{kind}.toml")
    words = ("--hub", "wss://localhost:8443", "--principal", "ann", "--key", "/root/ann.key")
    on.run("omnyshell", "login", *words, "--ca", "/etc/omnyshell/ca.pem")
    until(lambda: "deb-1" in on.run("omnyshell", "nodes", "list"))


def pids(on: Machine) -> list[str]:
    return [on.unit(name, "MainPID") for name in SERVICES]


@contextmanager
def session(on: Machine, command: str, *options: str) -> "Iterator[subprocess.Popen[str]]":
    pipe = subprocess.PIPE
    with on.start("omnyshell", "exec", *options, "deb-1", command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            end(process)


def said(process: "subprocess.Popen[str]", line: str) -> str:
    """Say a line to a session, and return the line that comes back."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_a_machine_gets_the_package_an_upgrade_with_sessions_running_and_is_rid_of_it(
    base: Path, packages: Path
) -> None:
    """Takes as long as a machine and two installations do."""
    with machine(base, packages) as on:
        install(on, "first.deb")
        nothing_runs_before_it_is_configured(on)
        no_keeper_runs_what_others_can_write(on)
        configure(on)
        start_services(on)
        the_packages_own_units_are_used(on)
        sessions_go_on_through_an_upgrade(on)
        no_session_removes_what_holds_it(on)
        what_is_removed_has_ended_comes_back_as_it_was_and_is_gone_once_it_is_purged(on)


def nothing_runs_before_it_is_configured(on: Machine) -> None:
    """Nor after an upgrade."""
    install(on, "first.deb")
    assert on.run("omnyshell", "--version").startswith("omnyshell ")
    assert "--headless" in on.run("omnyshell-console", "--help")
    assert [on.unit(name, "ActiveState") for name in SERVICES] == ["inactive"] * 3
    assert [on.unit(name, "UnitFileState") for name in SERVICES] == ["disabled"] * 3
    for user in ("omnyshell", "omnyshell-hub"):
        assert on.run("getent", "passwd", user).strip().endswith(f":/var/lib/{user}:/usr/sbin/nologin")
    refused = on.try_("omnyshell", "service", "install", "node", "--config", "/etc/omnyshell/node.toml")
    assert (refused.returncode, "does not say 'id'" in refused.stderr) == (255, True)
    assert on.run("dpkg", "--verify", "omnyshell") == ""


def no_keeper_runs_what_others_can_write(on: Machine) -> None:
    """The package's own files pass, as the services show; one that others can write does not."""
    module = on.run("sh", "-c", f"echo {HOME}/lib/*/site-packages/omnyshell/keeper/wire.py").strip()
    on.run("chmod", "o+w", module)
    refused = on.try_("omnyshell", "keeper", "start", "--state-dir", "/root/kept")
    assert refused.returncode == REFUSED
    assert f"others can write {module}" in refused.stderr
    on.run("chmod", "o-w", module)


def the_packages_own_units_are_used(on: Machine) -> None:
    assert [on.unit(name, "FragmentPath") for name in SERVICES] == [f"/lib/systemd/system/{name}" for name in SERVICES]
    assert [on.unit(name, "UnitFileState") for name in SERVICES] == ["enabled"] * 3
    assert [on.unit(name, "ActiveState") for name in SERVICES] == ["active"] * 3


def sessions_go_on_through_an_upgrade(on: Machine) -> None:
    hub, keeper, node = pids(on)
    echoing = 'while read -r line; do echo "got $line"; done; exit 7'
    with (
        session(on, f"id -un; {echoing}") as running,
        session(on, f"stty -echo; tty; {echoing}", "--tty") as in_terminal,
    ):
        assert running.stdout is not None
        assert in_terminal.stdout is not None
        assert (running.stdout.readline(), in_terminal.stdout.readline()[:9]) == ("ann\n", "/dev/pts/")
        for process in (running, in_terminal):
            assert said(process, "before") == "got before\n"
        install(on, "next.deb")
        for process in (running, in_terminal):
            assert said(process, "after") == "got after\n"
        running.communicate()
        in_terminal.communicate("\x04")
        assert (running.returncode, in_terminal.returncode) == (7, 7)
    new_hub, new_keeper, new_node = pids(on)
    assert "0" not in (new_hub, new_node)
    assert new_hub != hub
    assert new_node != node
    assert new_keeper == keeper
    until(lambda: "an upgrade takes over" in on.run("journalctl", "--unit=omnyshell-keeper", "--output=cat"))
    assert 'id = "deb-1"' in on.run("cat", "/etc/omnyshell/node.toml")


def no_session_removes_what_holds_it(on: Machine) -> None:
    until(lambda: "deb-1" in on.run("omnyshell", "nodes", "list"))
    refused = on.try_("omnyshell", "exec", "-u", "root", "deb-1", "dpkg --remove omnyshell")
    assert refused.returncode == 1
    assert "this runs in one of its own sessions" in refused.stderr
    assert "0" not in pids(on)


def what_is_removed_has_ended_comes_back_as_it_was_and_is_gone_once_it_is_purged(on: Machine) -> None:
    with session(on, "echo begun; exec sleep 1000") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        on.run("dpkg", "--remove", "omnyshell")
    # Also the client, which was killed.
    until(lambda: not re.search("omnyshell|sleep 1000", on.run("ps", "-e", "-o", "args=")))
    assert on.try_("test", "-e", HOME).returncode == 1
    for kept in ("/etc/omnyshell/hub.toml", "/var/lib/omnyshell-hub/hub/audit.sqlite3", "/var/lib/omnyshell/node"):
        on.run("test", "-e", kept)
    install(on, "next.deb")
    until(lambda: "deb-1" in on.run("omnyshell", "nodes", "list"))
    the_packages_own_units_are_used(on)
    on.run("omnyshell", "exec", "deb-1", "true")
    on.run("dpkg", "--remove", "omnyshell")
    on.run("dpkg", "--purge", "omnyshell")
    left = on.run("find", "/etc", "/run", "/usr", "/var", "-name", "*omnyshell*", "-not", "-path", "/var/lib/dpkg/*")
    assert left.split() == ["/etc/omnyshell"]
    found = set(on.run("ls", "/etc/omnyshell").split())
    assert {"hub.key", "node.key", "authorized_keys"} <= found
    assert not {"hub.toml", "node.toml"} & found
    # Nobody else gets the number of a user whose files may be somewhere.
    on.run("id", "omnyshell-hub")


@pytest.mark.skipif(shutil.which("lintian") is None, reason="lintian is not installed")
def test_lintian_has_nothing_to_say(packages: Path) -> None:
    words = ["lintian", "--fail-on=error,warning", "--allow-root", str(packages / "first.deb")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_same_commit_makes_the_same_package(packages: Path, tmp_path: Path) -> None:
    assert make_package(tmp_path).read_bytes() == (packages / "first.deb").read_bytes()
