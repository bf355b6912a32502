"""A line is split as `shlex` does it, in time that grows with its length."""

import shlex
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies as st

from omnyshell import SessionRejectedException
from omnyshell.services.node.backend import ShellRequest
from omnyshell.services.node.restriction.splitting import quoted_part, split_line
from omnyshell.services.node.restriction.words import MAX_WORDS, requested_words


@given(st.text("a\\'\" \t\r\n\x0b\xa0#$é\0;", max_size=24))
def test_a_line_is_split_as_the_standard_library_does(line: str) -> None:
    try:
        wanted = shlex.split(line)
    except ValueError:
        with pytest.raises(ValueError, match=r"^No (closing quotation|escaped character)$"):
            split_line(line)
    else:
        assert split_line(line) == wanted


def test_what_is_quoted_or_escaped_is_told_apart() -> None:
    assert quoted_part('a* \'b c\' d"e\\""f \\g') == 'b ce"g'
    assert quoted_part("a* [b]") == ""


LONGEST = 128 * 1024


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("unit", ["a", "a ", "'a'", '"a\\"" ', "\\a", "''", '"" ', '"\\a'])
def test_no_line_takes_long(unit: str) -> None:
    line = (unit * LONGEST)[:LONGEST]
    began = time.process_time()
    with suppress(ValueError):
        split_line(line)
    # One that looked back at each character would take minutes.
    assert time.process_time() - began < 2


@pytest.mark.parametrize("is_line", [True, False])
def test_words_are_counted_after_a_line_is_split(is_line: bool) -> None:
    def ask(count: int) -> list[str]:
        words = ["git", *["a"] * (count - 1)]
        given = {"command": " ".join(words)} if is_line else {"args": tuple(words)}
        return requested_words(ShellRequest(session_id="", principal="", **given))

    assert len(ask(MAX_WORDS)) == MAX_WORDS
    with pytest.raises(SessionRejectedException, match=f"at most {MAX_WORDS} words"):
        ask(MAX_WORDS + 1)


@pytest.mark.parametrize("given", [{"command": "cat x\udce9"}, {"args": ("cat", "\udcff")}])
def test_rules_take_no_bytes_that_are_no_text(given: dict[str, Any]) -> None:
    with pytest.raises(SessionRejectedException, match="UTF-8 alone"):
        requested_words(ShellRequest(session_id="", principal="", **given))
