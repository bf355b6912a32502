"""Which programs keep to one thing, by which rules; what is typed or sent to a program is an input of its own."""

import itertools
from pathlib import Path

import pytest
from support.in_one_test import in_one_test

from omnyshell.services.node.restriction.advice import kind_of
from omnyshell.services.node.restriction.containment import find_uncontained, is_contained
from omnyshell.services.node.restriction.pattern import rule_from_pattern
from omnyshell.services.node.restriction.policy import CommandPolicy
from omnyshell.services.node.restriction.program import look_up
from omnyshell.services.node.restriction.uncontained import UNCONTAINED, Uncontained

NOT_CONTAINED = [
    *("su", "su -", "su app -c id", "login -f root", "runuser -", "newgrp", "sg x", "script", "script -q /dev/null"),
    *(
        "unshare",
        "chroot /srv",
        "nsenter -t 1",
        "setarch x86_64",
        "linux64",
        "capsh --",
        "tmux",
        "tmux attach",
        "screen",
    ),
    *("bash", "bash -", "bash -s", "bash -i", "bash --norc", "bash -l", "sh -e", "bash -c", "bash -c *", "sh -es x"),
    *(
        "bash x.sh",
        "bash /dev/stdin",
        "bash /dev/fd/0",
        "bash /proc/self/fd/0",
        "bash -c 'exec su'",
        "zsh --rcs /opt/x",
    ),
    *("python3", "python3 -", "python3 -i", "python3 -i /opt/x.py", "python3 -q", "python3 -m code", "python3 x.py"),
    *("perl -", "perl -d -e 1", "perl -e 1 *", "perl -e *", "node -i", "ruby -", "php -a", "java *", "expect -"),
    *("awk", "awk -f -", "awk -f /dev/stdin", "sed -f -", "awk *", "awk 1 *", "m4", "m4 /opt/x", "m4 -", "dc", "dc /x"),
    *("sqlite3", "sqlite3 -batch", "sqlite3 /srv/db", "sqlite3 /srv/db *", "psql", "psql -d app", "psql -f -"),
    *("psql -c *", "psql -c x *", "mysql", "mysql app", "redis-cli", "gdb", "gdb -q", "gdb -batch -x /x", "lldb"),
    *("debugfs", "fdisk /dev/sda", "ftp", "sftp box", "sftp -b - box", "telnet box", "passwd", "chsh", "openssl"),
    *("virsh", "vi /x", "ed -s", "nano", "mc", "mail", "mutt", "at now", "batch", "crontab -", "crontab /x", "xargs"),
    *(
        "xargs rm",
        "parallel",
        "ssh box",
        "ssh -t box",
        "ssh",
        "ssh box *",
        "ssh box bash",
        "sudo -i",
        "sudo -s",
        "sudo",
    ),
    *("sudo su", "sudo bash", "sudo *", "env *", "env bash", "env sh -s", "nice python3", "timeout 5 sh", "env su -"),
    *("nice env sudo -i", "busybox sh", "busybox *", "watch *", "ld.so *", "/lib64/ld-linux-x86-64.so.2 *", "ldd *"),
    *("ld.so /bin/bash", "docker exec -it web bash", "docker *", "kubectl exec x -- sh", "make -f -", "gcc -wrapper *"),
    *("gcc *", "less *", "man *", "cp *", "tee *", "curl *", "curl -K -", "gpg *", "tar -x *", "sysctl *", "chmod *"),
    *("systemctl *", "systemctl status *", "systemctl status -*", "git *", "git log *", "git log -*", "git log --*=*"),
    *(
        "busctl *",
        "dbus-send *",
        "find . -*",
        "find *",
        "sort -n* *",
        "ssh-agent *",
        "start-stop-daemon *",
        "prlimit *",
    ),
    *("choom *", "systemd-inhibit *", "ssh-agent bash", "psql -c x -f -"),
]
NOT_CONTAINED += [
    *("nc.openbsd *", "gdb13", "busybox-1.36 sh", "bash-static", "bash5 -s", "vim.tiny /x", "sh.distrib", "node18 -i"),
    *("patch -p1", "cpio -i", "uudecode", "sftp-server", "rsync --server . /srv", "tar -xf -", "ssh -t box uptime"),
    *("service *", "logrotate *", "ncdu", "iftop", "fd -*", "rg --*", "run0", "agetty tty1", "supervisorctl", "lvm"),
    *("yash", "posh -s", "julia", "octave", "gnuplot", "fzf", "sqlcmd", "pgcli", "aa-exec *", "sfdisk /dev/sda"),
]
CONTAINED = [
    *("bash /opt/x.sh", "bash /opt/x.sh *", "bash -e /opt/x.sh a", "bash -c 'df -h'", "sh -c id *", "sh -ec id"),
    *("python3 /opt/x.py", "python3 -I /opt/x.py *", "python3 -c 'print(1)'", "perl -e 1", "perl -w /opt/x.pl *"),
    *("awk '{print}' /srv/x", "sed -n 1p /srv/x", "sqlite3 /srv/db 'select 1'", "sqlite3 -readonly /srv/db 'select 1'"),
    *("psql -d app -c 'select 1'", "mysql -e 'select 1' app", "psql -f /opt/x.sql", "openssl version", "virsh list"),
    *(
        "ssh box uptime",
        "ssh -T box uptime -p",
        "sudo systemctl restart nginx.service",
        "sudo -n /opt/x",
        "env",
        "env df",
    ),
    *("nice df", "timeout 5 df -h", "busybox df", "busybox", "docker ps", "docker exec web df", "make -C /srv all"),
    *("less /var/log/x", "cp /a /b", "curl https://x.example/health", "systemctl status nginx.service", "git log -5"),
    *(
        "systemctl restart ssh",
        "systemctl status ng*.service",
        "git log *.c",
        "find /srv -name x",
        "sort /srv/x",
        "find",
    ),
    *("apt list", "dpkg -l bash", "uptime *", "df *", "ls *", "cat *", "grep *", "ps *"),
]


def contains(pattern: str) -> bool:
    rule = rule_from_pattern(pattern)
    assert not rule.flaw, (pattern, rule.flaw)
    kind = find_uncontained([Path(rule.program).name])
    return kind is None or is_contained(kind, rule.arguments, rule.rest)


def test_what_may_run_anything_is_told() -> None:
    assert list(filter(contains, NOT_CONTAINED)) == []


def test_what_does_one_thing_is_not_blamed() -> None:
    assert list(itertools.filterfalse(contains, CONTAINED)) == []


@in_one_test("kind", UNCONTAINED, ids=lambda kind: kind.what)
def test_no_kind_is_contained_where_a_client_chooses_everything(kind: Uncontained) -> None:
    assert not is_contained(kind, (), ("*", "-*"))
    assert not is_contained(kind, ("*",))
    assert not is_contained(kind, ("-*",))


def test_the_kinds_have_no_name_twice() -> None:
    names = [name for kind in UNCONTAINED for name in kind.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("text", ["", "anything"])
def test_a_script_that_is_called_like_a_program_is_not_that_program(tmp_path: Path, text: str) -> None:
    for name in ("script", "view", "watch", "node", "patch"):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\n{text}\n")
        assert kind_of(str(script)) is None
        script.write_bytes(b"\x7fELF")
        assert kind_of(str(script)) is not None
    # A name that is chosen by nobody by chance is that of the program, as of a wrapper.
    (tmp_path / "python3").write_text("#!/bin/sh\n")
    assert kind_of(str(tmp_path / "python3")) is not None


@pytest.mark.parametrize("program", ["sh", "python3", "perl"])
def test_a_script_that_others_can_change_is_told(tmp_path: Path, program: str) -> None:
    script = tmp_path / "opt" / "x"
    script.parent.mkdir()
    script.touch(0o644)
    (tmp_path / "link").symlink_to(script)
    patterns = [f"{program} {path}" for path in (script, tmp_path / "link", tmp_path / "absent")]

    def told() -> list[bool]:
        return ["others decide what it runs" in " ".join(CommandPolicy((pattern,)).warnings()) for pattern in patterns]

    if look_up(program) is None:
        pytest.skip(f"there is no {program} here")
    assert told() == [False, False, False]
    for at in (script, script.parent):
        before = at.stat().st_mode & 0o7777
        at.chmod(0o777)
        assert told() == [True, True, False]
        at.chmod(before)
    assert not list(CommandPolicy((f"cat {script}",)).warnings())


@in_one_test(
    ("pattern", "words"),
    [
        (
            "bash -s",
            ["can run anything by bash: such programs run whatever they are given", "a script, by its absolute path"],
        ),
        ("env *", ["whoever may use this rule can run anything by env: such programs run what they are told to"]),
        ("systemctl status *", ["such programs run programs and write files", "fixes the subcommand and the options"]),
        ("ss *", ["a client chooses options of ss", "there may be others: name the options"]),
    ],
)
def test_a_warning_says_plainly_what_can_be_done(pattern: str, words: list[str]) -> None:
    said = " ".join(CommandPolicy((pattern,)).warnings())
    if "there is no program" not in said:
        assert all(word in said for word in words), said
