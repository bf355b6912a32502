"""A program runs only from where nobody but root and the node's user can have put it."""

import errno
import itertools
import os
import struct
from pathlib import Path

import pytest

from omnyshell import SessionRejectedException
from omnyshell.security import trust
from omnyshell.services.node.restriction import program
from omnyshell.services.node.restriction.program import is_entry, look_up, trusted_program
from omnyshell.services.node.restriction.trust import NotTrustedException, trusted_directory, trusted_path
from omnyshell.services.node.restriction.uncontained import RUNS, UNCONTAINED

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def make_tool(path: Path, text: str = "#!/bin/sh\necho ran\n", mode: int = 0o755) -> Path:
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir()
            parent.chmod(0o755)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    return make_tool(tmp_path / "opt" / "tools" / "bin" / "tool")


def steps(tool: Path) -> list[Path]:
    """The directories on the way, and the program."""
    return [tool.parents[2], tool.parents[1], tool.parents[0], tool]


@pytest.mark.parametrize(("step", "mode"), list(itertools.product(range(4), [0o777, 0o757, 0o723, 0o702])))
def test_what_all_can_write_on_the_way_is_refused(tool: Path, step: int, mode: int) -> None:
    assert trusted_program(str(tool)) == str(tool)
    steps(tool)[step].chmod(mode)
    with pytest.raises(NotTrustedException, match="others can write"):
        trusted_program(str(tool))
    steps(tool)[step].chmod(0o755)
    assert trusted_program(str(tool)) == str(tool)


@needs_root
@pytest.mark.parametrize("step", range(4))
def test_what_another_user_owns_on_the_way_is_refused(tool: Path, step: int) -> None:
    os.chown(steps(tool)[step], NOBODY, -1)
    with pytest.raises(NotTrustedException, match="belongs to another user"):
        trusted_program(str(tool))


def test_what_the_nodes_user_owns_is_anothers_for_any_other_node(tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "ROOT", NOBODY - 1)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    with pytest.raises(NotTrustedException, match="belongs to another user"):
        trusted_program(str(tool))


@needs_root
@pytest.mark.parametrize("step", range(4))
def test_what_a_group_of_others_can_write_is_refused(tool: Path, step: int) -> None:
    at = steps(tool)[step]
    at.chmod(0o775)
    assert trusted_program(str(tool)) == str(tool)
    for group in (NOBODY, 1, 54_321):
        os.chown(at, -1, group)
        at.chmod(0o775)
        with pytest.raises(NotTrustedException, match="others can write"):
            trusted_program(str(tool))
    at.chmod(0o755)
    assert trusted_program(str(tool)) == str(tool)


@pytest.mark.parametrize("step", range(4))
def test_an_access_list_that_lets_others_write_is_refused(tool: Path, step: int) -> None:
    user, named, group, mask, other = 0x01, 0x02, 0x04, 0x10, 0x20
    entries = [
        (user, 7, 2**32 - 1),
        (named, 7, NOBODY),
        (group, 5, 2**32 - 1),
        (mask, 7, 2**32 - 1),
        (other, 5, 2**32 - 1),
    ]
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(steps(tool)[step], "system.posix_acl_access", value)
    except OSError as exc:
        if exc.errno != errno.ENOTSUP:
            raise
        pytest.skip("no access lists here")
    with pytest.raises(NotTrustedException, match="others can write"):
        trusted_program(str(tool))


@pytest.mark.parametrize("step", range(3))
def test_where_all_can_make_files_only_a_directory_leads_on(tool: Path, step: int) -> None:
    steps(tool)[step].chmod(0o1777)
    if step < 2:
        assert trusted_program(str(tool)) == str(tool)
    else:
        with pytest.raises(NotTrustedException, match="others can make files"):
            trusted_program(str(tool))


def test_where_all_can_make_files_neither_links_nor_hard_links_lead_on(tmp_path: Path, tool: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "link").symlink_to(tool)
    (shared / "tools").symlink_to(tool.parent)
    (shared / "hard").hardlink_to(tool)
    shared.chmod(0o1777)
    for path in ("link", "tools/tool", "hard"):
        with pytest.raises(NotTrustedException, match="others can make files"):
            trusted_program(str(shared / path))


def test_links_are_followed_one_by_one(tmp_path: Path, tool: Path) -> None:
    links = make_tool(tmp_path / "links" / "direct").parent
    (links / "absolute").symlink_to(tool)
    (links / "relative").symlink_to("../opt/./tools//bin/tool")
    (links / "twice").symlink_to("relative")
    (links / "directory").symlink_to("../opt/tools")
    for name in ("absolute", "relative", "twice", "directory/bin/tool"):
        assert trusted_program(str(links / name)) == str(tool)
    (tmp_path / "opt").chmod(0o777)
    for name in ("absolute", "relative", "twice", "directory/bin/tool"):
        with pytest.raises(NotTrustedException, match="others can write"):
            trusted_program(str(links / name))
    (tmp_path / "opt").chmod(0o755)
    links.chmod(0o777)
    for name in ("absolute", "relative", "twice", "directory/bin/tool", "direct"):
        with pytest.raises(NotTrustedException, match="others can write"):
            trusted_program(str(links / name))


def test_a_link_through_what_others_can_write_is_refused_wherever_it_ends(tmp_path: Path, tool: Path) -> None:
    open_to_all = make_tool(tmp_path / "open" / "x").parent
    (open_to_all / "back").symlink_to(tool.parent)
    open_to_all.chmod(0o777)
    links = make_tool(tmp_path / "links" / "x").parent
    (links / "tool").symlink_to(open_to_all / "back" / "tool")
    # Whoever can write there decides where the next step leads, though this one steps back out of it.
    (links / "around").symlink_to("../open/../opt/tools/bin/tool")
    for name in ("tool", "around"):
        with pytest.raises(NotTrustedException, match="others can write"):
            trusted_program(str(links / name))


@needs_root
def test_a_link_of_another_user_is_refused(tmp_path: Path, tool: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tool)
    assert trusted_program(str(link)) == str(tool)
    os.chown(link, NOBODY, -1, follow_symlinks=False)
    with pytest.raises(NotTrustedException, match="belongs to another user"):
        trusted_program(str(link))


def test_links_without_an_end_are_refused(tmp_path: Path, tool: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    before = tool
    for number in range(41):
        link = tmp_path / str(number)
        link.symlink_to(before)
        before = link
    for name in ("a", "40"):
        with pytest.raises(SessionRejectedException, match="There is no program") as refused:
            trusted_program(str(tmp_path / name))
        assert refused.value.code == "bad_request"
    assert trusted_program(str(tmp_path / "39")) == str(tool)


def test_what_is_no_program_is_none(tmp_path: Path, tool: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o755)
    make_tool(tmp_path / "text", mode=0o644)
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("fifo", "text", "dangling", "opt", "absent", "text/x", "text/../text", "opt/tools/bin/tool/"):
        with pytest.raises(SessionRejectedException, match="There is no program"):
            trusted_program(f"{tmp_path}/{name}")
    with pytest.raises(NotTrustedException, match="is not absolute"):
        trusted_path("opt")


@pytest.mark.parametrize("step", range(4))
def test_the_interpreter_of_a_script_is_held_to_the_same(tmp_path: Path, step: int) -> None:
    interpreter = make_tool(tmp_path / "opt" / "tools" / "bin" / "interpreter")
    script = make_tool(tmp_path / "safe" / "script", f"#! \t{interpreter} -x\n")
    assert trusted_program(str(script)) == str(script)
    steps(interpreter)[step].chmod(0o777)
    with pytest.raises(NotTrustedException, match="others can write"):
        trusted_program(str(script))


@pytest.mark.parametrize("line", ["#!sh", "#!./sh", "#!../bin/sh -x", "#!", "#! ", "#!\tbin/sh"])
def test_an_interpreter_is_named_by_its_absolute_path(tmp_path: Path, line: str) -> None:
    with pytest.raises(NotTrustedException, match="names its interpreter by no absolute path"):
        trusted_program(str(make_tool(tmp_path / "script", f"{line}\n")))


def test_what_env_looks_up_is_held_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = make_tool(tmp_path / "path" / "interpreter")
    monkeypatch.setattr(program, "DEFAULT_PATH", f"{tmp_path}/empty:{tmp_path}/path")
    scripts = [
        make_tool(tmp_path / f"script{number}", f"#!/usr/bin/env {words}\n")
        for number, words in enumerate(("interpreter", "-S interpreter -x", "-S\tinterpreter", str(found)))
    ]
    for script in scripts:
        assert trusted_program(str(script)) == str(script)
    found.parent.chmod(0o777)
    for script in scripts:
        with pytest.raises(NotTrustedException, match="others can write"):
            trusted_program(str(script))
    for words in ("absent", "path/interpreter", "-S absent"):
        with pytest.raises(NotTrustedException, match="names no program"):
            trusted_program(str(make_tool(tmp_path / "other", f"#!/usr/bin/env {words}\n")))


MORE_THAN_A_NAME = (
    *("", "-S", "-S ", "-i sh", "-u PATH sh", "-C /tmp sh", "sh -x", "A=b", "A=b sh", "-S A=b sh", "-S PATH=/x sh"),
    *("-SPATH=/x sh", "-Ssh", "--split-string=PATH=/x sh", "-S -i sh", "-S -u PATH sh", "-S -C/tmp sh", "-vS sh"),
    *("-S ${X} sh", "-S ${X}", "-S 'sh'", '-S "sh"', "-S sh ${X}", "-S sh\\_x", "-S \\c", "- sh", "-- sh", "-S -- sh"),
)


@pytest.mark.parametrize("words", MORE_THAN_A_NAME)
def test_what_env_is_told_beside_a_name_is_refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(NotTrustedException, match="tells env more than the name of a program"):
        trusted_program(str(make_tool(tmp_path / "script", f"#!/usr/bin/env {words}\n")))


RUNNERS = [
    name for kind in UNCONTAINED if kind.contained is RUNS for name in kind.names if "*" not in name and name != "env"
]


@pytest.mark.parametrize("name", [*RUNNERS, "sudo", "su", "unshare", "xargs", "ld-linux-x86-64.so.2", "ssh"])
def test_no_program_that_runs_others_interprets_a_script(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = tmp_path / "path" / name
    make_tool(runner, "\x7fELF")
    monkeypatch.setattr(program, "DEFAULT_PATH", f"{tmp_path}/path")
    for line in (f"{runner} /x/evil", f"/usr/bin/env {name}", f"/usr/bin/env -S {name} /x/evil", str(runner)):
        with pytest.raises(NotTrustedException, match=r"runs other programs|more than the name"):
            trusted_program(str(make_tool(tmp_path / "script", f"#!{line}\n")))


@pytest.mark.parametrize(
    "head", [b"", b"echo ran\n", b"\n#!/bin/sh\n", b" #!/bin/sh\n", b"#", b"\xef\xbb\xbf#!/bin/sh\n"]
)
@pytest.mark.parametrize("way", ["program", "interpreter"])
def test_a_file_that_some_shell_would_have_to_guess_at_is_no_program(tmp_path: Path, head: bytes, way: str) -> None:
    tool = make_tool(tmp_path / "tool")
    tool.write_bytes(head)
    if way == "interpreter":
        tool = make_tool(tmp_path / "script", f"#!{tool}\n")
    with pytest.raises(SessionRejectedException, match="neither a program nor a script"):
        trusted_program(str(tool))


def test_scripts_of_scripts_have_an_end(tmp_path: Path) -> None:
    before = Path("/bin/sh")
    for number in range(5):
        before = make_tool(tmp_path / str(number), f"#!{before}\n")
    with pytest.raises(NotTrustedException, match="script of scripts"):
        trusted_program(str(before))
    assert trusted_program(str(tmp_path / "2")) == str(tmp_path / "2")


def test_the_programs_of_this_system_are_trusted() -> None:
    for name in ("sh", "ls", "env", "cat"):
        found = look_up(name)
        assert found is not None
        assert trusted_program(found)


def test_a_name_is_looked_up_in_the_fixed_path_alone(tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tool.parent))
    monkeypatch.chdir(tool.parent)
    for name in ("tool", "./tool", "", ".", "..", "sh/", "l\0s", "../bin/sh"):
        assert look_up(name) is None
    assert look_up("sh") in ("/usr/bin/sh", "/bin/sh")


def test_names_of_one_file_are_not_one_program(tmp_path: Path, tool: Path) -> None:
    same = make_tool(tmp_path / "other" / "x").parent
    (same / "tool").symlink_to(tool)
    (same / "applet").symlink_to(tool)
    (tmp_path / "way").symlink_to(tool.parent)
    assert is_entry(str(tool), str(tool))
    assert is_entry(str(tmp_path / "way" / "tool"), str(tool))
    for other in (same / "tool", same / "applet", tmp_path / "absent" / "tool"):
        assert not is_entry(str(other), str(tool))


def test_a_directory_is_trusted_where_others_make_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o755)
    assert trusted_directory(str(tmp_path / "d")) == str(tmp_path / "d")
    for mode in (0o777, 0o1777):
        (tmp_path / "d").chmod(mode)
        with pytest.raises(NotTrustedException, match="others can"):
            trusted_directory(str(tmp_path / "d"))
    with pytest.raises(OSError, match="Not a directory"):
        trusted_directory(str(make_tool(tmp_path / "f")))
