"""Who becomes whom, whatever principals, roles and wishes are called."""

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.keeper.users import Account, Asker, RefusedError, Table, choose, is_persons_name, is_user_name, table_of

NODE_USER = 990
ACCOUNTS = {
    name: Account(name, uid, uid, f"/home/{name}", shell)
    for name, uid, shell in (
        ("root", 0, "/bin/bash"),
        ("toor", 0, "/bin/bash"),
        ("daemon", 1, "/usr/sbin/nologin"),
        ("postgres", 116, "/bin/bash"),
        ("omnyshell", NODE_USER, "/usr/sbin/nologin"),
        ("nobody", 65534, "/bin/sh"),
        ("ann", 1000, "/bin/bash"),
        ("bea", 1001, ""),
        ("gone", 1002, "/usr/sbin/nologin"),
        ("shut", 1004, "/dev/null"),
        ("closed", 1005, "/nowhere/sh"),
        ("barred", 1006, "/etc/passwd"),
        ("misled", 1007, "/"),
        ("1000", 1003, "/bin/sh"),
        ("none", 0xFFFFFFFF, "/bin/sh"),
    )
}
PEOPLE = {"ann", "bea"}
TABLE = {
    "ann": ("ann", "www"),
    "boss": ("root",),
    "role:dba": ("postgres",),
    "role:dev": ("{principal}",),
    "*": ("{principal}",),
}

LIKE_ROOT = (
    *("", " root", "root ", "root\t", "root\n", "root\0", "ROOT", "Root", "r\u043e\u043et", "\uff52oot", "ro\u00adot"),
    *("0", "00", "+0", "-0", "0x0", "1000", "65534", "4294967295", "-1", "..", ".", "/", "../root", "root/", "~root"),
)
HOSTILE = (
    *LIKE_ROOT,
    *("*", "{principal}", "role:dba", "role:", "role:*", "node:db-1", "postgres", "omnyshell", "nobody", "daemon"),
    *(
        "none",
        "ann,root",
        "root,ann",
        "ann\nroot",
        "ann\n\nroot",
        "a" * 33,
        "-u",
        "--",
        "$USER",
        "ann;root",
        "\u00e1nn",
    ),
)
names = st.one_of(st.sampled_from(HOSTILE), st.sampled_from(sorted(ACCOUNTS)), st.text(max_size=40))


def find(name: str) -> Account | None:
    """As a database that does not care for the case, and takes numbers for names."""
    by_number = {str(account.uid): account for account in ACCOUNTS.values()}
    return ACCOUNTS.get(name) or ACCOUNTS.get(name.lower().strip()) or by_number.get(name)


def chosen(principal: str, *roles: str, wanted: str = "", logins: tuple[str, ...] = (), table: Table = TABLE) -> str:
    read = table_of({key: list(users) for key, users in table.items()})
    return choose(read, Asker(principal, roles, wanted, logins), find, NODE_USER).name


def refusal(principal: str, *roles: str, **more: object) -> str:
    with pytest.raises(RefusedError) as refused:
        chosen(principal, *roles, **more)
    return str(refused.value)


def test_the_first_that_one_may_or_the_one_that_is_wanted() -> None:
    assert chosen("ann") == "ann"
    assert chosen("ann", "dba", wanted="postgres") == "postgres"
    assert chosen("carl", "dba") == "postgres"
    assert chosen("bea", "dev") == "bea"
    assert chosen("boss") == "root"
    # There is no such user, and another one that they may be.
    assert chosen("ann", table={"ann": ("www", "ann")}) == "ann"


def test_why_nobody_or_not_that_one() -> None:
    assert refusal("ann", wanted="root") == "'ann' may not become 'root' here, but: ann, www"
    assert "names no user for 'ann'" in refusal("ann", table={"bea": ("bea",)})
    assert refusal("ann", wanted="www") == "There is no user 'www' on this machine"
    assert "are named in [users] or not had" in refusal("root")
    assert "'ann' not become 'ann'" in refusal("ann", "dba", wanted="ann", logins=("postgres",))
    assert chosen("ann", "dba", logins=("postgres",)) == "postgres"


@given(names, st.lists(names, max_size=3), names, st.lists(names, max_size=2))
def test_everybody_and_ones_own_name_lead_to_people_alone(
    principal: str, roles: list[str], wanted: str, logins: list[str]
) -> None:
    everyone = {"*": tuple(filter(is_user_name, ACCOUNTS))}
    for table in ({"*": ("{principal}",)}, everyone, {"role:x": ("{principal}",)}):
        try:
            user = chosen(principal, *roles, "x", wanted=wanted, logins=tuple(logins), table=table)
        except RefusedError:
            continue
        assert user in PEOPLE
        assert wanted in ("", user)
        assert not logins or user in logins
        assert table is everyone or user == principal


@given(names, st.lists(names, max_size=3), names)
def test_who_is_named_is_named_for_the_whole_name(principal: str, roles: list[str], wanted: str) -> None:
    table = {"ann": ("root",), "role:dba": ("postgres",)}
    try:
        user = chosen(principal, *roles, wanted=wanted, table=table)
    except RefusedError:
        return
    assert user == ("root" if principal == "ann" else "postgres")
    assert principal == "ann" or "dba" in roles


@in_one_test("principal", ["*", "role:dba", "", "{principal}"])
def test_no_principal_is_a_rule_of_another_kind(principal: str) -> None:
    table = {"role:dba": ("root",), "*": ("root",)}
    assert "are named in [users] or not had" in refusal(principal, table=table)


def test_what_the_database_knows_otherwise_is_nobody() -> None:
    for user in ("ANN", "Root"):
        assert refusal("x", table={"x": (user,)}) == f"There is no user '{user}' on this machine"
    assert "number that nobody can have" in refusal("x", table={"x": ("none",)})


@given(st.text(max_size=40))
def test_names_are_plain(name: str) -> None:
    if is_persons_name(name):
        assert is_user_name(name)
    if is_user_name(name):
        assert name.isascii()
        assert not set(name) & set(" \n\t\0:/,")
        assert not name.isdecimal()


@in_one_test("name", LIKE_ROOT)
def test_no_name_is_another_with_something_around_it(name: str) -> None:
    assert not is_persons_name(name)


@in_one_test(
    "value",
    [
        *(
            None,
            {},
            [],
            "ann",
            {"ann": []},
            {"ann": 1},
            {"ann": [1]},
            {"ann": ""},
            {"ann": "0"},
            {"ann": "{PRINCIPAL}"},
        ),
        *({"": "ann"}, {"{principal}": "ann"}, {"ann\nbea": "ann"}),
        *({"ann": "{principal}-x"}, {"ann": "*"}, {"role:": "ann"}, {"ann": "a b"}, {"ann": {"x": "y"}}, {"ann": "-u"}),
    ],
)
def test_a_table_that_is_wrong_is_none(value: object) -> None:
    with pytest.raises(ValueError, match=r"\[users\]"):
        table_of(value)
