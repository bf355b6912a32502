"""What a failure tells to do depends on what was asked."""

from support.in_one_test import in_one_test

from omnyshell import (
    AuthException,
    AuthorizationException,
    OmnyShellException,
    ProtocolException,
    SessionRejectedException,
)
from omnyshell.cli.grammar.commands import COMMANDS
from omnyshell.cli.grammar.parsing import find_command, parse
from omnyshell.cli.ground.output import describe
from omnyshell.cli.main import _node_of
from omnyshell.security.public_keys import SecurityKey, in_ssh_form
from omnyshell.services.client.admin import AdminRequestException
from omnyshell.services.node.as_root import REFUSED
from omnyshell.services.node.environment import why_not_own

RIGHTS = "`omnyshell access web-1` says what you may do"


@in_one_test(
    ("words", "code", "says"),
    [
        ("hub drop", "not_found", "`omnyshell hub peers` shows"),
        ("hub close-session", "not_found", "`omnyshell hub sessions` shows"),
        ("hub close-session", "ambiguous", "give more of it"),
        ("hub close-tunnel", "not_found", "show tunnels"),
        ("users revoke", "not_found", "`omnyshell users list` shows"),
        ("tokens rotate", "not_found", "`omnyshell users list` shows"),
        ("nodes release", "not_found", "`omnyshell nodes known` shows"),
        ("invites revoke", "not_found", "`omnyshell invites list` shows"),
        ("sessions kill", "not_found", "`omnyshell sessions list NODE` shows"),
        ("tunnel close", "not_found", "`omnyshell tunnel list` shows yours"),
        ("hub drop", "auth_failed", "run `omnyshell login`"),
    ],
)
def test_advice_is_about_what_was_asked(words: str, code: str, says: str) -> None:
    assert says in describe(AdminRequestException("refused", code=code), tuple(words.split()))


@in_one_test("words", ["hub sessions", "users add", "keys add", "nodes known", "events"])
def test_who_is_no_admin_is_told_so(words: str) -> None:
    said = describe(AuthorizationException("Only administrators may do this"), tuple(words.split()))
    assert "it takes the role admin" in said
    assert RIGHTS not in said


def test_labels_are_spoken_of_where_a_node_was_asked_for_and_nowhere_else() -> None:
    text = "Not authorized to run commands on 'web-1': it takes the role ops (you have none)"
    refused = SessionRejectedException(text, code="not_authorized")
    assert RIGHTS in describe(refused, ("exec",), "web-1")
    assert RIGHTS in describe(AuthorizationException(text), ("sessions", "list"), "web-1")
    dropped = ProtocolException("An administrator ended this", code="not_authorized")
    assert describe(dropped, ("connect",)) == "An administrator ended this [not_authorized]"
    assert describe(OmnyShellException("x", code="not_found"), ("exec",)) == "x"


def test_of_several_nodes_it_is_said_which_one_refuses() -> None:
    refused = SessionRejectedException("This node copies no files", code="session_rejected")
    assert describe(refused, ("cp",), "web-1") == "web-1: This node copies no files [session_rejected]"
    assert describe(refused, ("exec",), "web-1") == "This node copies no files [session_rejected]"
    unknown = SessionRejectedException("No node 'web-1' is connected", code="unknown_node")
    assert describe(unknown, ("cp",), "web-1").startswith("No node 'web-1' is connected [unknown_node];")


def test_who_may_not_be_a_user_is_not_told_of_commands() -> None:
    for text, says in (
        (REFUSED, f"{REFUSED} [not_authorized]"),
        (why_not_own("nobody-else", ()), "its operator says in [users] who becomes whom"),
        ("This node does not allow shells", "its operator says with --allow-command"),
    ):
        assert says in describe(SessionRejectedException(text, code="not_authorized"), ("cp",), "web-1"), text
    assert describe(SessionRejectedException(REFUSED, code="not_authorized"), ("cp",)).endswith(" [not_authorized]")


def test_who_signed_an_address_is_told_that_it_may_be_none_of_the_hubs() -> None:
    refused = AuthException("Authentication failed")
    assert "--public-url" not in describe(refused)
    refused.address = "hub:8443"
    assert "or the hub takes no logins for hub:8443: its operator names addresses by --public-url" in describe(refused)


def test_whose_key_is_refused_is_told_how_one_is_let_in() -> None:
    refused = AuthException("Authentication failed")
    assert "keys add" not in describe(refused)
    refused.principal, refused.public_key = "ann", "Kioq"
    assert "a key that it does not know yet an admin adds: `omnyshell keys add ann Kioq`" in describe(refused)
    token = SecurityKey(bytes(32), "ssh:work")
    refused.public_key, refused.application = token.to_base64(), token.application
    assert f"`omnyshell keys add ann '{in_ssh_form(token)}'`" in describe(refused)


def test_who_may_not_know_a_node_is_not_told_to_ask_about_it() -> None:
    refused = SessionRejectedException("Not authorized to run commands on 'web-1'", code="not_authorized")
    said = describe(refused, ("exec",), "web-1")
    assert said.endswith("ask an administrator of this hub")
    assert "omnyshell access" not in said


@in_one_test(
    ("words", "node"),
    [
        ("exec web-1 true", "web-1"),
        ("sessions peek web-1 s", "web-1"),
        ("tunnel open web-1 80", "web-1"),
        ("tunnel open --local 80", "@local"),
        ("hub info", ""),
    ],
)
def test_the_node_that_a_command_is_about_is_known(words: str, node: str) -> None:
    command, rest = find_command(words.split())
    assert command is not None
    assert _node_of(parse(command, rest)) == node


def test_every_command_that_is_spoken_of_exists() -> None:
    from omnyshell.cli.ground import advice

    known = {command.words for command in COMMANDS} | {command.words[:1] for command in COMMANDS}
    assert advice._ASKED.keys() <= known
