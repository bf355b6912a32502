"""Names in certificates: what a client that dials accepts, and which two certificates can be dialled by one name."""

from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.security.cert_names import covers, shared_name


@in_one_test(
    ("names", "host", "accepted"),
    [
        (["hub.example"], "HUB.Example.", True),
        (["hub.example"], "a.hub.example", False),
        (["*.some.example"], "hub.some.example", True),
        (["*.some.example"], "a.b.some.example", False),
        (["*.some.example"], "some.example", False),
        (["*.example"], "hub.example", False),
        (["bücher.example"], "xn--bcher-kva.example", True),
        (["10.0.0.1"], "10.0.0.1", True),
        (["*.0.0.1"], "10.0.0.1", False),
        (["::1"], "[0:0::1]", True),
        ([], "hub", False),
    ],
)
def test_what_a_client_accepts(names: list[str], host: str, accepted: bool) -> None:
    assert covers(names, host) is accepted


@in_one_test(
    ("ours", "theirs", "shared"),
    [
        ("hub.example", "HUB.example.", True),
        ("hub.example", "tunnels.example", False),
        ("*.example", "tunnels.example", True),
        ("hub.example", "*.example", True),
        ("*.example", "*.example", True),
        ("*.example", "*.tunnels.example", False),
        ("h*.example", "hub.example", True),
        ("a.*.example", "a.b.example", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("10.0.0.1", "*.0.0.1", False),
        ("::1", "0::1", True),
        ("*", "localhost", True),
    ],
)
def test_which_names_can_be_one(ours: str, theirs: str, shared: bool) -> None:
    assert bool(shared_name([ours], ["elsewhere.test", theirs])) is shared
    assert bool(shared_name([theirs, "elsewhere.test"], [ours])) is shared


LABELS = st.sampled_from(["a", "b", "*", "A"])
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(".".join)


@given(st.lists(NAMES, max_size=3), st.lists(NAMES, max_size=3), NAMES)
def test_what_both_cover_is_shared(ours: list[str], theirs: list[str], host: str) -> None:
    if covers(ours, host) and covers(theirs, host):
        assert shared_name(ours, theirs)


@given(st.text(max_size=20))
def test_any_text_can_be_compared(text: str) -> None:
    assert covers([text], text)
