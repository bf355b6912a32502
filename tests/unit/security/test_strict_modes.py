"""A file is trusted where nobody else can have written it, or put another in its place."""

import os
from pathlib import Path

import pytest

from omnyshell import ConfigException
from omnyshell.security.strict_modes import StrictModes

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
STRICT = StrictModes()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "omnyshell" / "authorized_keys"
    path.parent.mkdir(parents=True)
    for directory in (path.parent, path.parents[1]):
        directory.chmod(0o755)
    path.write_text("nobody\n")
    path.chmod(0o644)
    return path


def steps(file: Path) -> list[Path]:
    return [file, file.parent, file.parents[1]]


@needs_root
@pytest.mark.parametrize("step", range(3))
def test_each_mode_on_the_way_passes_exactly_where_others_cannot_write(file: Path, step: int) -> None:
    at = steps(file)[step]
    os.chown(at, -1, NOBODY)
    for mode in range(0o777 + 1):
        at.chmod(mode)
        if mode & 0o022:
            with pytest.raises(ConfigException, match=f"others can write {at}; chmod go-w {at}$"):
                STRICT.check(file)
        else:
            STRICT.check(file)
        StrictModes(is_on=False).check(file)


def test_what_everybody_can_write_is_refused_to_any_user(file: Path) -> None:
    STRICT.check(file)
    file.chmod(0o646)
    with pytest.raises(ConfigException, match="others can write"):
        STRICT.check(file)


@needs_root
@pytest.mark.parametrize("step", range(3))
def test_another_owner_on_the_way_is_refused(file: Path, step: int) -> None:
    at = steps(file)[step]
    os.chown(at, NOBODY, -1)
    with pytest.raises(ConfigException, match=f"{at} belongs to another user; chown root {at}"):
        STRICT.check(file)


def test_sticky_directories_pass_and_what_others_own_in_them_does_not(file: Path) -> None:
    file.parent.chmod(0o1777)
    STRICT.check(file)
    if os.geteuid() == 0:
        os.chown(file, NOBODY, -1)
        with pytest.raises(ConfigException, match="belongs to another user"):
            STRICT.check(file)


def test_a_link_is_judged_by_where_it_leads(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    STRICT.check(link)
    file.chmod(0o666)
    with pytest.raises(ConfigException, match=f"{link} is not trusted: others can write {file}"):
        STRICT.check(link)


@needs_root
def test_a_link_that_another_made_is_refused(file: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    link = shared / "link"
    link.symlink_to(file)
    STRICT.check(link)
    os.chown(link, NOBODY, -1, follow_symlinks=False)
    with pytest.raises(ConfigException, match="belongs to another user"):
        STRICT.check(link)


def test_what_is_not_there_is_left_to_its_reader_but_not_the_way_to_it(file: Path) -> None:
    STRICT.check(file.parent / "missing")
    file.parent.chmod(0o777)
    with pytest.raises(ConfigException, match="others can write"):
        STRICT.check(file.parent / "missing")


def test_pipes_and_devices_that_were_opened_for_us_pass() -> None:
    reader, writer = os.pipe()
    try:
        for path in (f"/dev/fd/{reader}", f"/proc/self/fd/{reader}", "/dev/null"):
            STRICT.check(Path(path))
    finally:
        os.close(reader)
        os.close(writer)


def test_a_link_to_a_device_is_judged_as_any_other(file: Path, tmp_path: Path) -> None:
    link = file.parent / "link"
    link.symlink_to("/dev/null")
    with pytest.raises(ConfigException, match="others can write /dev/null"):
        STRICT.check(link)
    master, slave = os.openpty()
    try:
        STRICT.check(Path(os.ttyname(slave)))
        link.unlink()
        link.symlink_to(os.ttyname(slave))
        os.fchmod(slave, 0o666)
        with pytest.raises(ConfigException, match="others can write"):
            STRICT.check(link)
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("path", ["/dev/fd/../../../{}", "/proc/self/fd/../../../{}"])
def test_no_way_round_by_what_is_opened(file: Path, path: str) -> None:
    file.chmod(0o666)
    with pytest.raises(ConfigException):
        STRICT.check(Path(path.format(str(file).lstrip("/"))))


def test_relative_paths_are_judged_from_where_we_are(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    STRICT.check(Path(file.name))
    file.chmod(0o666)
    with pytest.raises(ConfigException, match="others can write"):
        STRICT.check(Path(file.name))


@pytest.mark.parametrize("name", ["hub.db", "certs/ca.pem", "certs", "."])
def test_a_directory_of_our_own_is_judged_with_all_that_is_in_it(tmp_path: Path, name: str) -> None:
    state = tmp_path / "state"
    (state / "certs").mkdir(parents=True)
    for made in ("hub.db", "certs/ca.pem"):
        (state / made).touch(0o600)
    STRICT.check_tree(state)
    (state / name).chmod(0o777)
    with pytest.raises(ConfigException, match="others can write"):
        STRICT.check_tree(state)


@pytest.mark.parametrize(("text", "environment", "is_on"), [
    (None, None, True), ("true", "false", True), ("false", None, False), (None, "false", False), (None, "", True),
])  # fmt: skip
def test_the_option_comes_before_the_environment(
    text: str | None, environment: str | None, is_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMNYSHELL_STRICT_MODES", raising=False)
    if environment is not None:
        monkeypatch.setenv("OMNYSHELL_STRICT_MODES", environment)
    assert StrictModes.said(text).is_on is is_on


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNYSHELL_STRICT_MODES", "no")
    with pytest.raises(ConfigException, match="say true or false"):
        StrictModes.said(None)
