"""Keys of a file that somebody wrote are changed, and nothing else of it."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell import ConfigException
from omnyshell.services.join_settings import with_keys, write_settings

CHANGES = {"hub": '"wss://new:1"', "ca": None, "label": '["a=b", "c=d"]'}
OTHERS = (
    "# hub = 'not a key'\n",
    "\n",
    "allow-command = ['uptime']\n",
    'text = """\nhub = "x"\n[ca]\n"""\n',
    "other = '''\n[[commands]]\nlabel = 1'''\n",
    "list = [\n  'hub = 1',  # a comment\n  '[x]',\n]\n",
    "hubs = 1  # \u2028 hub = 1\n",
    '"x.y" = 1\n',
    "ns.hub = 1\n",
)
OWN = (
    'hub = "wss://old:1"\n',
    "  'hub'  =  'wss://old:1'  # pinned # by hand\n",
    'ca = """\n/x\n"""\n',
    "label = [ # who\n  'a=b', # may\n  'c=d',\n]\n",
    "label = [\n  'z=y' ]  # use it\n",
)
TABLES = ("", "[[commands]]\nprogram = '/bin/ls'\nhub = 1\n[[commands]]\nprogram = '/bin/a'\n", "  [t] # x\nca = 1")


@given(
    st.lists(st.sampled_from(OTHERS), unique=True), st.lists(st.sampled_from(OWN)), st.sampled_from(TABLES), st.data()
)
def test_all_else_stays_letter_by_letter(others: list[str], own: list[str], tables: str, data: st.DataObject) -> None:
    own = list({tomllib.loads(text).popitem()[0]: text for text in own}.values())
    statements = data.draw(st.permutations([*others, *own]))
    before = "".join(statements) + tables
    after = with_keys(before, CHANGES)
    said = {key: value for key, value in tomllib.loads(before).items() if key not in CHANGES}
    assert tomllib.loads(after) == said | {"hub": "wss://new:1", "label": ["a=b", "c=d"]}
    assert [text for text in statements if text in after and text in others] == [
        text for text in statements if text in others
    ]
    assert after.endswith(tables)
    assert with_keys(after, CHANGES) == after


def test_a_comment_behind_a_value_stays() -> None:
    assert with_keys("hub = 'a#b' # why # not\n", {"hub": '"c"'}) == 'hub = "c" # why # not\n'
    assert with_keys("hub = 'a'\r\n", {"hub": '"c"'}) == 'hub = "c"\r\n'


def test_what_says_the_same_stays_as_it_is_written() -> None:
    text = "label = [ # who\n  'a=b', # may\n  'c=d' ]\n[x]\n"
    assert with_keys(text, {"label": '["a=b", "c=d"]'}) == text


def test_a_file_without_an_end_goes_on_in_a_line_of_its_own() -> None:
    assert with_keys("a = 1", {"b": "2"}) == "a = 1\nb = 2\n"
    assert with_keys("# x\n", {"b": "2", "c": None}) == "# x\nb = 2\n"


@in_one_test("text", ["hub = \n", "[hub]\nx = 1\n", "[[label]]\nx = 1\n", "a = '''\n", "a = 1\na = 2\n"])
def test_what_cannot_be_changed_alone_is_told(text: str) -> None:
    with pytest.raises(ConfigException, match="write into it"):
        with_keys(text, CHANGES)


@pytest.mark.parametrize(
    ("before", "settings", "users"),
    [
        ("[users]\nann = 'ann'\n", {"run-as-node-user": True}, {}),
        ("run-as-node-user = true\n", {}, {"ann": ["ann"]}),
        ("", {"run-as-node-user": True}, {"ann": ["ann"]}),
        ("[users]\nann = ['ann']\n", {"run-as-node-user": True}, {"ann": ["ann"]}),
    ],
)
def test_nothing_is_written_with_which_a_node_would_not_start(
    tmp_path: Path, before: str, settings: dict[str, object], users: dict[str, list[str]]
) -> None:
    file = tmp_path / "node.toml"
    file.write_text(before)
    with pytest.raises(ConfigException, match=r"both \[users\] and run-as-node-user"):
        write_settings(file, settings, {}, (), users)
    assert file.read_text() == before


def test_users_are_added_where_nothing_contradicts_them(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text("run-as-node-user = false\n")
    for _ in range(2):
        write_settings(file, {"id": "box"}, {}, (), {"ann": ["ann"]})
        assert tomllib.loads(file.read_text()) == {
            "run-as-node-user": False,
            "id": "box",
            "users": {"ann": ["ann"]},
        }
