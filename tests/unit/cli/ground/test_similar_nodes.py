"""Which nodes are suggested in place of one that is not connected."""

from support.in_one_test import in_one_test

from omnyshell.cli.ground.similar_nodes import is_said_as_to_ssh, similar

KNOWN = ["web-1", "web-2", "Database", "n1"]


@in_one_test(
    ("said", "meant"),
    [
        ("wbe-1", ["web-1", "web-2"]),
        ("WEB-2", ["web-2", "web-1"]),
        ("database", ["Database"]),
        ("root@n1", ["n1"]),
        ("n1:22", ["n1"]),
        ("ann@web-1:22", ["web-1", "web-2"]),
        ("zzz", []),
        ("@", []),
    ],
)
def test_ids_are_found_in_any_case_and_without_what_ssh_has_beside_them(said: str, meant: list[str]) -> None:
    assert similar(said, KNOWN) == meant


@in_one_test(("node", "is_so"), [("root@n1", True), ("n1:22", True), ("n1", False), ("n 1", False)])
def test_what_is_written_for_ssh_is_known(node: str, is_so: bool) -> None:
    assert is_said_as_to_ssh(node) is is_so
