"""How the palette finds words."""

from support.in_one_test import in_one_test

from omnyshell.tui.palette import worth

TITLE, ABOUT = "Lock", "Nobody may do anything on the node   shift+l"


@in_one_test("query", ["lock", "LOC", "node lock", "anything nobody", "any", "shift+l", "ode"])
def test_words_are_found_in_title_and_description_in_any_order(query: str) -> None:
    assert 0 < worth(query, TITLE, ABOUT) <= 1


@in_one_test("query", ["", " ", "lock session", "lck"])
def test_all_words_have_to_be_there(query: str) -> None:
    assert worth(query, TITLE, ABOUT) == 0


def test_the_title_is_worth_more_than_the_description_and_a_beginning_more_than_a_middle() -> None:
    worths = [
        worth(*words)
        for words in (("lo", TITLE, ABOUT), ("oc", TITLE, ABOUT), ("no", TITLE, ABOUT), ("od", TITLE, ABOUT))
    ]
    assert worths == sorted(worths, reverse=True)
    assert len(set(worths)) == 4
