"""What is filled into forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnyshell.model.tunnels import MAX_PORT
from omnyshell.tui.dialogs.session import environment
from omnyshell.tui.dialogs.tunnel import port_number


def test_an_environment_is_quoted_as_in_a_shell() -> None:
    assert environment("A=1 B='two words' C=") == {"A": "1", "B": "two words", "C": ""}
    assert environment("  ") == {}


@pytest.mark.parametrize(("text", "expected"), [("A", "'A'"), ("1A=x", "'1A'"), ("=x", "'=x'"), ("A='x", "quotation")])
def test_a_wrong_environment_is_explained(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        environment(text)


@given(st.text(max_size=12))
def test_what_is_no_port_is_explained(text: str) -> None:
    is_port = text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PORT
    if is_port or not text:
        assert port_number("Port", text) == (int(text) if text else None)
    else:
        with pytest.raises(ValueError, match=r"^Port: "):
            port_number("Port", text)
