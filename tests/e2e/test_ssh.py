"""OpenSSH's own tools through hub and node, with the installed program as their proxy."""

import json
import os
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.ports import free_port
from support.system import System, running, until

from omnyshell.services.node.ssh import launcher


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"{program} is not installed")


@pytest.fixture(name="ssh", scope="module")
def _ssh(system: System, tmp_path_factory: pytest.TempPathFactory) -> "Ssh":
    needs("ssh", "sshd")
    folder = tmp_path_factory.mktemp("ssh")
    done = system.run("ssh-config")
    assert (done.returncode, done.stderr) == (0, b"")
    (folder / "config").write_bytes(done.stdout)
    return Ssh(system, folder)


class Ssh:
    """ssh, with what `ssh-config` printed as all of its configuration."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.folder = folder
        self.config = folder / "config"

    def run(self, program: str, *words: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        command = [program, "-F", str(self.config), *words]
        return self.tool(*command, stdin=stdin)

    def tool(self, *command: str, stdin: bytes = b"", **env: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            command, input=stdin, capture_output=True, timeout=DEADLINE, check=False, env=self.system.env | env
        )

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start it as the leader of a group, which its proxy is in as well."""
        command, pipe = ["ssh", "-F", str(self.config), *words], subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=self.system.env, process_group=0)


def test_a_command_runs_as_with_any_ssh(ssh: Ssh) -> None:
    done = ssh.run("ssh", "n1.omny", 'cat; echo "$SSH_CONNECTION"; echo said >&2; exit 3', stdin=b"given\n")
    assert done.returncode == 3
    assert done.stderr == b"said\n"
    first, connection, *rest = done.stdout.decode().splitlines()
    assert (first, rest) == ("given", [])
    assert connection.startswith("127.0.0.1 ")


def test_names_of_hosts_are_the_same_in_any_letters(ssh: Ssh) -> None:
    done = ssh.run("ssh", "N1.Omny", "echo there")
    assert (done.stdout, done.stderr) == (b"there\n", b"")
    assert b"N1.Omny: the key" in ssh.system.run("ssh-config", "--accept", "N1.OMNY").stdout


def test_the_block_suffices_for_whoever_reads_it(ssh: Ssh) -> None:
    """The variables with the login alone are needed, as this one is not saved."""
    env = {name: value for name, value in ssh.system.env.items() if name != "OMNYSHELL_HOME"}
    command = ["ssh", "-F", str(ssh.config), "n1.omny", "echo there"]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE, check=False, env=env)
    assert (done.stdout, done.stderr) == (b"there\n", b"")


def test_installing_includes_the_block_once_and_before_all_else(ssh: Ssh) -> None:
    config, kept = Path(ssh.system.env["HOME"], ".ssh", "config"), ssh.folder / "kept"
    config.parent.mkdir(mode=0o700, exist_ok=True)
    kept.write_text("Host other\n")
    config.symlink_to(kept)
    for _ in range(2):
        done = ssh.system.run("ssh-config", "--install")
        assert done.returncode == 0
        assert done.stdout.splitlines()[1].startswith(f"now `ssh -F {kept} n1.omny` works".encode())
        # The home of tests is not the user's.
        assert b"whatever HOME says" in done.stderr
    assert config.readlink() == kept
    include, rest = config.read_text().split("\n", 1)
    assert rest == "Host other\n"
    assert Path(include.removeprefix("Include ")).read_bytes() == ssh.config.read_bytes()


def test_nothing_is_left_behind(ssh: Ssh) -> None:
    assert ssh.run("ssh", "n1.omny", "true").stdout == b""
    until(
        lambda: launcher.__file__.encode() not in subprocess.run(["ps", "ax"], capture_output=True, check=True).stdout
    )


@pytest.mark.parametrize("protocol", ["-O", "-s"])
def test_scp_copies_either_way_by_both_protocols(ssh: Ssh, protocol: str) -> None:
    needs("scp")
    data = os.urandom(1 << 20)
    here, there, back = (ssh.folder / f"{name}{protocol}" for name in ("here", "there", "back"))
    here.write_bytes(data)
    for source, target in ((str(here), f"n1.omny:{there}"), (f"n1.omny:{there}", str(back))):
        done = ssh.run("scp", "-q", protocol, source, target)
        assert (done.returncode, done.stderr) == (0, b"")
    assert back.read_bytes() == data


def test_sftp_does_as_it_is_told(ssh: Ssh) -> None:
    needs("sftp")
    (ssh.folder / "a file").write_bytes(b"what it holds")
    lines = f'put "{ssh.folder}/a file" "{ssh.folder}/another"\nls -1 {ssh.folder}/another\n'
    done = ssh.run("sftp", "-q", "-b", "-", "n1.omny", stdin=lines.encode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert (ssh.folder / "another").read_bytes() == b"what it holds"


def test_rsync_brings_a_tree_over(ssh: Ssh) -> None:
    needs("rsync")
    tree, copy = ssh.folder / "tree", ssh.folder / "copy"
    (tree / "below").mkdir(parents=True)
    for number in range(50):
        (tree / "below" / str(number)).write_bytes(os.urandom(number * 100))
    done = ssh.tool("rsync", "-a", "-e", f"ssh -F {ssh.config}", f"{tree}/", f"n1.omny:{copy}/")
    assert (done.returncode, done.stderr) == (0, b"")
    assert [path.read_bytes() for path in sorted((copy / "below").iterdir())] == [
        path.read_bytes() for path in sorted((tree / "below").iterdir())
    ]


def test_git_clones_and_pushes(ssh: Ssh) -> None:
    needs("git")
    over = {"GIT_SSH_COMMAND": f"ssh -F {ssh.config}", "GIT_CONFIG_GLOBAL": "/dev/null"}
    bare, clone = ssh.folder / "bare.git", ssh.folder / "clone"
    named = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (
        ("git", "init", "-q", "--bare", "-b", "main", str(bare)),
        ("git", "clone", "-q", f"n1.omny:{bare}", str(clone)),
        ("git", "-C", str(clone), *named, "commit", "-q", "--allow-empty", "-m", "first"),
        ("git", "-C", str(clone), "push", "-q", "origin", "HEAD:main"),
    ):
        done = ssh.tool(*command, **over)
        assert done.returncode == 0, done.stderr
    assert b"first" in ssh.tool("git", "-C", str(bare), "log", "main").stdout


def test_a_control_master_is_shared(ssh: Ssh, tmp_path: Path) -> None:
    path = f"ControlPath={tmp_path}/c"
    master = ssh.start("-o", path, "-NM", "n1.omny")
    try:
        until(lambda: (tmp_path / "c").exists())
        assert ssh.run("ssh", "-o", path, "-o", "ProxyCommand=false", "n1.omny", "echo there").stdout == b"there\n"
        assert ssh.run("ssh", "-o", path, "-O", "exit", "n1.omny").returncode == 0
    finally:
        master.kill()
        master.communicate(timeout=DEADLINE)


def test_a_target_is_reached_by_w(ssh: Ssh) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:
        done = threads.submit(ssh.run, "ssh", "-W", f"127.0.0.1:{server.getsockname()[1]}", "n1.omny", stdin=b"hello")
        server.settimeout(DEADLINE)
        with server.accept()[0] as connection:
            assert connection.recv(5) == b"hello"
            connection.sendall(b"well")
        assert done.result().stdout == b"well"


def test_a_script_on_stdin_runs_beside_forwards_in_each_direction(ssh: Ssh, tmp_path: Path) -> None:
    """As editors call ssh, to start a server there and to reach it."""
    proxy = free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        target = f"127.0.0.1:{server.getsockname()[1]}"
        ways = [tmp_path / "local", tmp_path / "remote"]
        forwards = ["-L", f"{ways[0]}:{target}", "-R", f"{ways[1]}:{target}", "-D", f"127.0.0.1:{proxy}"]
        editor = ssh.start("-T", "-o", "ExitOnForwardFailure=yes", *forwards, "n1.omny", "bash")
        assert editor.stdin is not None
        assert editor.stdout is not None
        editor.stdin.write(b"echo ready\n")
        editor.stdin.flush()
        assert editor.stdout.readline() == b"ready\n"
        for way in ways:
            with socket.socket(socket.AF_UNIX) as near:
                near.settimeout(DEADLINE)
                near.connect(str(way))
                with server.accept()[0] as far:
                    far.sendall(b"there")
                    assert near.recv(5) == b"there"
        said = editor.communicate(b"exit 3\n", timeout=DEADLINE)
        assert (editor.returncode, said) == (3, (b"", b""))


def test_what_runs_ends_with_a_client_that_is_lost(ssh: Ssh) -> None:
    """Also what it put into sessions of their own."""
    client = ssh.start("n1.omny", "setsid -f nohup sleep 7300 >/dev/null 2>&1; echo ready; nohup sleep 7301")
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    until(lambda: running("7300") and running("7301"))
    client.kill()
    client.communicate(timeout=DEADLINE)
    until(lambda: not running("7300") and not running("7301"))


def test_the_next_connection_ends_what_a_killed_proxy_has_left(ssh: Ssh) -> None:
    """As an rsync that would put its part of a file in the place of the whole one later."""
    client = ssh.start("n1.omny", "echo ready; exec sleep 7307")
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    os.killpg(client.pid, signal.SIGKILL)
    client.communicate(timeout=DEADLINE)
    assert ssh.run("ssh", "n1.omny", "true").returncode == 0
    assert not running("7307")


def test_what_was_left_in_the_background_goes_on_where_a_client_leaves_a_command(ssh: Ssh) -> None:
    """As `tmux` does where its window is closed."""
    client = ssh.start("n1.omny", "setsid -f sh -c 'echo $$; exec >/dev/null 2>&1; exec sleep 7305'; nohup sleep 7306")
    assert client.stdout is not None
    background = int(client.stdout.readline())
    until(lambda: running("7305") and running("7306"))
    client.send_signal(signal.SIGHUP)
    client.communicate(timeout=DEADLINE)
    until(lambda: not running("7306"))
    assert running("7305")
    os.kill(background, signal.SIGKILL)


def test_what_was_left_in_the_background_goes_on(ssh: Ssh) -> None:
    done = ssh.run("ssh", "n1.omny", "nohup sleep 7302 >/dev/null 2>&1 & echo $!")
    try:
        until(
            lambda: (
                launcher.__file__.encode() not in subprocess.run(["ps", "ax"], capture_output=True, check=True).stdout
            )
        )
        assert running("7302")
    finally:
        os.kill(int(done.stdout), signal.SIGKILL)


def test_all_ends_where_an_admin_ends_the_session(ssh: Ssh) -> None:
    client = ssh.start("n1.omny", "echo ready; nohup sleep 7303 >/dev/null 2>&1 & exec nohup sleep 7304")
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    until(lambda: running("7303") and running("7304"))
    line = next(each for each in ssh.system.run("hub", "sessions").stdout.decode().splitlines() if " ssh " in each)
    assert ssh.system.run("hub", "close-session", line.split()[0]).returncode == 0
    until(lambda: not running("7303") and not running("7304"))
    client.communicate(timeout=DEADLINE)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("nobody@n1.omny", b"all that it starts is"),
        ("n2.omny", b"No node 'n2' is connected"),
        ("a:b.omny", b"names no node"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(ssh: Ssh, host: str, said: bytes) -> None:
    done = ssh.run("ssh", host, "true")
    assert done.returncode == 255
    assert said in done.stderr.splitlines()[0]


def test_another_key_is_refused_until_it_is_accepted(ssh: Ssh) -> None:
    assert ssh.run("ssh", "n1.omny", "true").returncode == 0
    (known,) = Path(ssh.system.env["OMNYSHELL_HOME"]).glob("config/ssh/*/known.n1.omny")
    before = known.read_text()
    words = before.split()
    known.write_text(before.replace(words[2], words[2][:-4] + "AAAA"))
    done = ssh.run("ssh", "n1.omny", "true")
    assert done.returncode == 255
    assert b"shows another key than before" in done.stderr
    assert b"`omnyshell ssh-config --accept n1.omny`" in done.stderr
    listed = ssh.system.run("nodes", "list", "--keys")
    assert b"'n1' shows another key than before" in listed.stderr
    assert ssh.system.run("ssh-config", "--accept", "n1.omny").returncode == 0
    assert ssh.run("ssh", "n1.omny", "true").returncode == 0
    assert known.read_text() == before
    fingerprint = ssh.tool("ssh-keygen", "-lf", str(known)).stdout.split()[1]
    listed = ssh.system.run("nodes", "list", "--keys")
    assert (listed.stderr, fingerprint in listed.stdout) == (b"", True)
    (node,) = json.loads(ssh.system.run("nodes", "list", "--keys", "--json").stdout)
    assert (node["ssh"]["hostKey"], node["ssh"]["known"]) == (fingerprint.decode(), "same")
