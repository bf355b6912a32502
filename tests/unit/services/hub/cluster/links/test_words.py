"""What hubs of two versions say to each other on a link."""

from datetime import UTC, datetime

import msgspec
import pytest

from omnyshell.services.hub.cluster.links import words

SAMPLES: tuple[words.Word, ...] = (
    words.PeerCame("p", "ann", ("dev",), "192.0.2.1", ("events",), datetime(2026, 1, 2, tzinfo=UTC)),
    words.Open("p", 3, "00000000-0000-0000-0000-000000000000", 7, msgspec.Raw(b'{"t":"session.open","d":{}}')),
    words.Ask("p", 7, msgspec.Raw(b"{}")),
    words.ViewAsked(1),
    words.Denied("a", b"what", b"signature"),
    words.HeadsShown(1, {}),
)


def test_a_newer_hub_may_say_more_in_each_word() -> None:
    for word in SAMPLES:
        said = words.encode(word)
        read = words.decode(said)
        assert read is not None
        assert words.decode(said[:-1] + b',"newer":{"x":[1]}}') == read


def test_a_word_that_only_a_newer_hub_knows_does_nothing_and_ends_no_link() -> None:
    assert words.decode(b'{"type":"newer.word","x":1}') is None
    with pytest.raises(ValueError, match="cannot be read"):
        words.decode(b'{"type":"view.asked","number":-1}')
