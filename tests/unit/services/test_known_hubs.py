"""What a peer remembers of hubs for its next start."""

from pathlib import Path

from omnyshell.model.hubs import MOST_HUBS, OtherHub
from omnyshell.services.known_hubs import MOST_HOMES, SILENT_FOR, KnownHubs

B, C = OtherHub(url="wss://b:1", weight=7), OtherHub(url="wss://c:1")


def test_others_are_there_at_the_next_start_until_there_are_none(tmp_path: Path) -> None:
    path = tmp_path / "known"
    KnownHubs(path).note("wss://a:1", (B, C))
    assert path.stat().st_mode & 0o777 == 0o600
    assert KnownHubs(path).beside("wss://a:1") == (B, C)
    assert KnownHubs(path).beside("wss://other:1") == ()
    KnownHubs(path).note("wss://a:1", ())
    assert KnownHubs(path).beside("wss://a:1") == ()


def test_what_is_known_already_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "known"
    known = KnownHubs(path)
    known.note("wss://a:1", ())
    assert not path.exists()
    known.note("wss://a:1", (B,))
    before = path.stat().st_mtime_ns, path.stat().st_ino
    known.note("wss://a:1", (B,))
    KnownHubs(path).note("wss://a:1", (B,))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_another_process_may_have_written_meanwhile(tmp_path: Path) -> None:
    one, other = KnownHubs(tmp_path / "known"), KnownHubs(tmp_path / "known")
    assert one.beside("wss://a:1") == other.beside("wss://a:1") == ()
    one.note("wss://a:1", (B,))
    other.note("wss://x:1", (C,))
    again = KnownHubs(tmp_path / "known")
    assert (again.beside("wss://a:1"), again.beside("wss://x:1")) == ((B,), (C,))


def test_a_damaged_file_or_none_at_all_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "known"
    for damaged in (b"", b"[]", b'{"homes": {"wss://a:1": [{"url": 1}]}}', b'{"silent": 1}', b"\xff"):
        path.write_bytes(damaged)
        path.chmod(0o600)
        known = KnownHubs(path)
        assert known.beside("wss://a:1") == ()
        known.note("wss://a:1", (B,))
        assert KnownHubs(path).beside("wss://a:1") == (B,)
    in_memory = KnownHubs()
    in_memory.note("wss://a:1", (B,))
    assert in_memory.beside("wss://a:1") == (B,)


def test_the_hubs_of_which_it_was_told_last_are_remembered(tmp_path: Path) -> None:
    known = KnownHubs()
    for number in range(MOST_HOMES + 1):
        known.note(f"wss://a{number}:1", (B,))
    assert known.beside("wss://a0:1") == ()
    assert known.beside(f"wss://a{MOST_HOMES}:1") == (B,)


def test_a_hub_that_did_not_answer_is_silent_for_a_while_or_until_it_does(tmp_path: Path) -> None:
    at = [1000.0]
    path = tmp_path / "known"
    KnownHubs(path, lambda: at[0]).note_silent("wss://a:1")
    again = KnownHubs(path, lambda: at[0])
    assert again.is_silent("wss://a:1")
    assert not again.is_silent("wss://b:1")
    for later, expected in ((SILENT_FOR - 1, True), (SILENT_FOR, False), (-1, False)):
        at[0] = 1000.0 + later
        assert again.is_silent("wss://a:1") is expected, later
    at[0] = 1001.0
    again.note_answer("wss://a:1")
    assert not KnownHubs(path, lambda: at[0]).is_silent("wss://a:1")


def test_no_more_hubs_are_remembered_as_silent_than_a_peer_takes_note_of() -> None:
    known = KnownHubs()
    for number in range(MOST_HUBS + 1):
        known.note_silent(f"wss://a{number}:1")
    assert not known.is_silent("wss://a0:1")
    assert known.is_silent(f"wss://a{MOST_HUBS}:1")
