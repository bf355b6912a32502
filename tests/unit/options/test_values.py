"""Options' values: an error repeats what was given, as far as that helps."""

import pytest
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.options.option import Check
from omnyshell.options.values import LONGEST_SHOWN, check


@in_one_test("given", ["x" * 3000, "two\nlines", "\x1b]0;title\x07", "\u202eturned"])
def test_an_error_shows_the_beginning_of_what_is_wrong_in_one_printable_line(given: str) -> None:
    with pytest.raises(ConfigException) as caught:
        check({"name": given}, "name", Check(lambda _: False, "must be right"))
    text = str(caught.value)
    assert text.isprintable()
    assert text.startswith("--name '")
    assert text.endswith("': must be right")
    assert len(text) <= LONGEST_SHOWN + 40
