"""What is written for a service manager: whole, quoted, and the same each time."""

import json
import os
import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from omnyshell import ConfigException
from omnyshell.cli.grammar.parsing import find_command, parse
from omnyshell.cli.main import run
from omnyshell.cli.service import launchd, pam, systemd
from omnyshell.cli.service.plan import Kind, Plan, plan_from
from omnyshell.cli.service.systemd_units import units_of

HUB = 'cert = "/etc/hub/cert.pem"\nkey = "/etc/hub/key.pem"\n'
NODE = """
hub = "wss://hub.example:8443"
id = "web-1"
principal = "node-web-1"
key = "/root/n/key.pem"
ca = "/root/ca.pem"
run-as-node-user = true
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OMNYSHELL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "unix-home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def plan(place: Path, kind: str, text: str, *more: str, name: str = "a.toml") -> Plan:
    config = place / name
    config.write_text(text)
    command, words = find_command(["service", "install", kind, "--config", str(config), *more])
    assert command is not None
    return plan_from(parse(command, words))


def section(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_a_nodes_files_are_handed_to_it_by_systemd_so_that_they_may_be_roots_alone(place: Path) -> None:
    keeper, node = units_of(plan(place, "node", NODE))
    assert (keeper.name, node.name) == ("omnyshell-keeper.service", "omnyshell-node.service")
    assert section(node.text, "LoadCredential") == [
        f"config:{place}/a.toml",
        "key:/root/n/key.pem",
        "ca:/root/ca.pem",
    ]
    (command,) = section(node.text, "ExecStart")
    state = "/var/lib/omnyshell/nodes/web-1"
    wanted = f"node start --config %d/config --key %d/key --ca %d/ca --state-dir {state} --keeper true --retry-refused"
    assert command.endswith(wanted)
    assert section(node.text, "User") == ["omnyshell"]
    assert section(node.text, "CapabilityBoundingSet") == [""]
    wanted = f"keeper start --config {place}/a.toml --state-dir {state} --node-user omnyshell"
    assert section(keeper.text, "ExecStart")[0].endswith(wanted)


def test_what_sessions_inherit_is_not_hardened_and_they_outlive_its_stop(place: Path) -> None:
    keeper, node = units_of(plan(place, "node", NODE))
    hardened = {line.partition("=")[0] for line in node.text.splitlines() if line.startswith(("Protect", "Restrict"))}
    assert hardened
    assert not any(line.startswith((*hardened, "NoNewPrivileges", "User")) for line in keeper.text.splitlines())
    assert section(keeper.text, "KillMode") == ["process"]
    assert section(keeper.text, "Delegate") == ["yes"]
    # systemd starts no process in a group that gives controllers to those below it, so they are taken back.
    assert "cgroup.subtree_control" in section(keeper.text, "ExecStopPost")[0]
    (most,) = section(keeper.text, "FileDescriptorStoreMax")
    assert section(keeper.text, "Environment") == [f"FDSTORE={most}"]
    # Their names, of five letters at most, are one variable, which Linux bounds.
    assert int(most) * len("ffffX:") < 128 * 1024


def test_a_service_of_ones_own_runs_as_one_starts_it_by_hand(place: Path) -> None:
    keeper, node = units_of(plan(place, "node", NODE, "--user"))
    for unit in (keeper, node):
        assert section(unit.text, "User") == section(unit.text, "LoadCredential") == []
        assert section(unit.text, "WantedBy") == ["default.target"]
    assert section(node.text, "ExecStart")[0].endswith(
        f"node start --config {place}/a.toml --keeper true --retry-refused"
    )
    assert section(keeper.text, "ExecStart")[0].endswith(f"keeper start --config {place}/a.toml")


def test_a_state_directory_that_is_named_is_used_and_may_be_written(place: Path) -> None:
    """A `$` means a variable in a command line alone."""
    for kind, said in (("node", NODE), ("hub", HUB)):
        unit = units_of(plan(place, kind, said + f'state-dir = "{place}/st $ate"\n'))[-1]
        assert f'--state-dir "{place}/st $$ate"' in section(unit.text, "ExecStart")[0]
        assert section(unit.text, "ReadWritePaths") == [f'"{place}/st $ate"']


@pytest.mark.parametrize("end", ["\n", "\r"])
@pytest.mark.parametrize("key", ["state-dir", "key"])
def test_no_path_ends_its_line(place: Path, key: str, end: str) -> None:
    path = json.dumps(f"/root/x{end}ExecStart=/bin/sh")
    said = re.sub(f"(?m)^{key} = .*\n", "", NODE) + f"{key} = {path}\n"
    with pytest.raises(ConfigException, match="cannot stand in a unit"):
        units_of(plan(place, "node", said))


def test_a_state_directory_below_the_services_own_may_be_written_already(place: Path) -> None:
    unit = units_of(plan(place, "node", NODE + 'state-dir = "/var/lib/omnyshell/node"\n'))[-1]
    assert "--state-dir /var/lib/omnyshell/node" in section(unit.text, "ExecStart")[0]
    assert section(unit.text, "ReadWritePaths") == []


def fake_system(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs of the system that only write down how they were called; returns the file where."""
    log, programs = place / "called", place / "programs"
    programs.mkdir()
    for name in ("systemctl", "useradd", "journalctl"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$*" >>{log}\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(systemd, "MACHINES", place / "machines")
    monkeypatch.setattr(systemd, "PACKAGES", place / "packages")
    monkeypatch.setattr(systemd, "_may_run", lambda _user, _words: True)
    return log


def test_no_service_is_given_up_after_starts_that_failed_with_what_systemd_keeps_for_it(place: Path) -> None:
    for kind, text in (("node", NODE), ("hub", HUB)):
        for unit in units_of(plan(place, kind, text)):
            head, _, service = unit.text.partition("[Service]")
            assert "\nStartLimitIntervalSec=0\n" in head, unit.name
            assert "Restart=always" in service


def test_a_program_that_the_services_user_cannot_run_is_told_before_anything_is_written(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's own installations lie in root's home, which nobody else enters."""
    fake_system(place, monkeypatch)
    asked = []
    monkeypatch.setattr(systemd, "_may_run", lambda user, words: asked.append((user, *words)))
    with pytest.raises(ConfigException, match=r"runs as omnyshell, who cannot run .*: install it where everybody may"):
        systemd.install(plan(place, "node", NODE))
    assert asked == [("omnyshell", *plan(place, "node", NODE).program, "--version")]
    assert not (place / "machines").exists()


def test_who_may_not_enter_a_directory_runs_nothing_there(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be others")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "true").symlink_to("/bin/true")
    assert systemd._may_run("daemon", ["/bin/true"])
    assert not systemd._may_run("daemon", ["/bin/false"])
    assert not systemd._may_run("daemon", [str(closed / "true")])


def test_the_log_of_a_node_is_its_keepers_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_system(place, monkeypatch)
    for kind in Kind:
        assert systemd.logs(kind, is_users=kind is Kind.NODE, follow=False, count=9) == 0
    of_node, of_hub = log.read_text().splitlines()
    assert of_node.startswith("journalctl --user-unit=omnyshell-node.service --user-unit=omnyshell-keeper.service -")
    assert of_hub.startswith("journalctl --unit=omnyshell-hub.service -")


def test_units_that_the_systems_package_has_are_used_and_not_written_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = fake_system(place, monkeypatch)
    (place / "packages").mkdir()
    asked = plan(place, "node", NODE)
    for unit in units_of(asked):
        (place / "packages" / unit.name).write_text(unit.text)
    systemd.install(asked)
    assert not (place / "machines").exists()
    assert "systemctl enable omnyshell-keeper.service omnyshell-node.service" in log.read_text()
    # Of another configuration, units are written, which systemd then takes in place of the package's.
    systemd.install(plan(place, "node", NODE.replace("/root/n/", "/root/m/"), name="b.toml"))
    written = {path.name for path in (place / "machines").iterdir()}
    assert written == {"omnyshell-keeper.service", "omnyshell-node.service"}
    assert systemd.uninstall(Kind.NODE, is_users=False) == 0
    assert not [*(place / "machines").iterdir()]
    assert systemd.uninstall(Kind.NODE, is_users=False) == 0
    assert log.read_text().count("systemctl disable --now") == 2
    assert len([*(place / "packages").iterdir()]) == 2


@pytest.mark.parametrize("name", ["with space.toml", "100%d.toml", 'quo"te$HOME.toml', "back\\slash.toml"])
def test_a_path_means_itself_whatever_is_in_it(place: Path, name: str) -> None:
    (hub,) = units_of(plan(place, "hub", HUB, name=name))
    (command,) = section(hub.text, "ExecStart")
    quoted = name.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    assert f"{place}/{quoted}" in command


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units(place: Path) -> None:
    written = []
    for kind, text in (("node", NODE), ("hub", HUB)):
        for unit in units_of(plan(place, kind, text, name="with 100% $x.toml")):
            written.append(place / unit.name)
            written[-1].write_text(unit.text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, written)], capture_output=True, text=True, check=False
    )
    # systemd before 254 says this of what it does without.
    said = [line for line in done.stderr.splitlines() if "FileDescriptorStorePreserve" not in line]
    assert (done.returncode, said) == (0, [])


def test_a_dry_run_prints_each_file_under_its_name_and_writes_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = place / "node.toml"
    config.write_text(NODE)
    before = sorted(place.rglob("*"))
    words = ["service", "install", "node", "--config", str(config), "--dry-run"]
    assert run(words) == 0
    printed = capsys.readouterr().out
    names = [line for line in printed.splitlines() if line.startswith("# ")]
    assert names == [f"# /etc/systemd/system/omnyshell-{part}.service" for part in ("keeper", "node")]
    assert run([*words, "--user"]) == 0
    names = [line for line in capsys.readouterr().out.splitlines() if line.startswith("# ")]
    assert names == [
        f"# {place}/unix-home/.config/systemd/user/omnyshell-{part}.service" for part in ("keeper", "node")
    ]
    assert sorted(place.rglob("*")) == before


def test_without_a_file_the_only_node_that_was_joined_is_meant(place: Path) -> None:
    command, words = find_command(["service", "install", "node"])
    assert command is not None
    with pytest.raises(ConfigException, match="has joined no hub"):
        plan_from(parse(command, words))
    for name in ("a", "b"):
        config = place / "home/config/nodes" / name / "node.toml"
        config.parent.mkdir(parents=True)
        config.write_text(NODE)
        if name == "a":
            assert plan_from(parse(command, words)).config == config
    with pytest.raises(ConfigException, match="say which node"):
        plan_from(parse(command, words))
    command, words = find_command(["service", "install", "hub"])
    assert command is not None
    with pytest.raises(ConfigException, match="name the hub's configuration file"):
        plan_from(parse(command, words))


def test_a_configuration_that_lacks_something_is_no_services(place: Path) -> None:
    with pytest.raises(ConfigException, match="does not say 'id'"):
        plan(place, "node", 'hub = "wss://h"\n')


def test_a_node_of_the_machine_says_whose_its_sessions_are(place: Path) -> None:
    text = NODE.replace("run-as-node-user = true\n", "")
    with pytest.raises(ConfigException, match=r"add \[users\], or run-as-node-user"):
        plan(place, "node", text)
    plan(place, "node", text, "--user")
    plan(place, "node", text + '[users]\nann = "ann"\n')


def test_a_hubs_user_has_to_read_its_files_and_a_nodes_are_read_for_it(place: Path) -> None:
    text = 'cert = "/c"\nkey = "/k"\nauthorized-keys = "/a"\n'
    assert set(plan(place, "hub", text).read_by_its_user) == {Path("/c"), Path("/k"), Path("/a"), place / "a.toml"}
    assert plan(place, "node", NODE).read_by_its_user == ()


def test_launchd_gets_a_property_list_that_starts_the_same(place: Path) -> None:
    said = plistlib.loads(launchd.text_of(plan(place, "node", NODE, "--user")).encode())
    assert said["ProgramArguments"][-5:] == ["node", "start", "--config", f"{place}/a.toml", "--retry-refused"]
    assert said["Label"] == "dev.omnyshell.node"
    assert said["RunAtLoad"] is said["KeepAlive"] is True


USERS = NODE.replace("run-as-node-user = true\n", "") + '[users]\nann = "ann"\n'


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of PAM's services."""
    found = tmp_path / "pam.d"
    found.mkdir()
    monkeypatch.setattr(pam, "SERVICES", found)
    return found


@pytest.mark.parametrize(
    ("there", "lines"),
    [
        (("common-auth", "common-account", "common-session", "password-auth"), "auth include common-auth"),
        (("password-auth",), "session include password-auth"),
        (("system-remote-login",), "account include system-remote-login"),
        (("base-auth", "base-account", "base-session"), "session include base-session"),
        (("common-auth",), "account required pam_unix.so"),
    ],
)
def test_pams_file_includes_what_the_machine_has(services: Path, there: tuple[str, ...], lines: str) -> None:
    for name in there:
        (services / name).touch()
    said = [line.split() for line in pam.text_of(services).splitlines() if not line.startswith("#")]
    assert lines.split() in said
    assert len(said) == 8
    assert {line[2] for line in said if line[1] == "include"} <= set(there)


def test_pams_file_is_printed_where_it_would_be_written(
    place: Path, services: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(text: str, *more: str) -> bool:
        systemd.show(plan(place, "node", text, *more))
        return f"# {services}/omnyshell\n" in capsys.readouterr().out

    assert printed(USERS)
    assert not printed(NODE)
    assert not printed(USERS, "--user")
    (services / "omnyshell").write_text(pam.text_of(services))
    assert printed(USERS)
    (services / "omnyshell").write_text("auth required pam_deny.so\n")
    assert not printed(USERS)


def test_a_file_of_pams_that_is_there_stays_as_it_is(
    place: Path, services: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who would start and make something, which takes root and systemd, do nothing here."""
    for name in ("_systemctl", "_make_user", "_check_rights", "_check_runnable", "_check_readable"):
        monkeypatch.setattr(systemd, name, lambda *_args, **_more: None)
    monkeypatch.setattr(systemd, "MACHINES", place / "units")
    (place / "units").mkdir()
    file, wanted = services / "omnyshell", plan(place, "node", USERS)
    for _ in range(2):
        systemd.install(wanted)
        assert file.read_text() == pam.text_of(services)
    assert file.stat().st_mode & 0o777 == 0o644
    systemd.uninstall(Kind.NODE, is_users=False)
    assert not file.exists()
    for own in ("auth required pam_deny.so\n", pam.DATA.read_text()):
        file.write_text(own)
        systemd.install(wanted)
        assert file.read_text() == own
        systemd.uninstall(Kind.NODE, is_users=False)
        assert file.read_text() == own
