"""The example of an authenticator, attacked."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from examples.own_authenticator import REFUSED, SignedTokenAuthenticator, make_token
from omnyshell import AuthException, LoginContext, PrincipalId, TokenCredential
from omnyshell.security.authenticators import evidence_of

SECRET = bytes(range(32))
NOW = datetime(2026, 1, 2, tzinfo=UTC)
END = int(NOW.timestamp()) + 3600
CONTEXT = LoginContext(nonce="n", role="client")
TOKEN = make_token(SECRET, "ann", frozenset({"operator", "dev"}), END)


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


def ann(token: str = TOKEN, principal: str = "ann") -> TokenCredential:
    return TokenCredential(PrincipalId(principal), token)


def refusal(authenticator: SignedTokenAuthenticator, credential: TokenCredential) -> str:
    with pytest.raises(AuthException) as refused:
        authenticator.authenticate(credential, CONTEXT)
    return str(refused.value)


def test_a_token_gives_its_roles_until_it_ends_and_no_longer() -> None:
    clock = Clock()
    authenticator = SignedTokenAuthenticator(SECRET, clock)
    principal = authenticator.authenticate(ann(), CONTEXT)
    assert principal.roles == {"operator", "dev"}
    evidence = evidence_of(ann())
    assert evidence is not None
    assert authenticator.as_now(evidence, principal) is principal
    clock.at += timedelta(hours=1)
    assert authenticator.as_now(evidence, principal) is None
    assert refusal(authenticator, ann()) == REFUSED


@in_one_test(
    "credential",
    [
        ann(principal="bob"),
        ann(TOKEN.replace("operator", "admin")),
        ann(TOKEN.replace(str(END), str(END + 1))),
        ann(make_token(bytes(32), "ann", frozenset({"admin"}), END)),
        ann(make_token(SECRET, "anna", frozenset(), END)),
        ann(""),
        ann(".."),
        ann("dev.not-a-number." + TOKEN.rpartition(".")[2]),
        ann("\ud800"),
        ann("é" * 100),
    ],
)
def test_nothing_else_logs_in_and_all_get_the_same_words(credential: TokenCredential) -> None:
    assert refusal(SignedTokenAuthenticator(SECRET, Clock()), credential) == REFUSED


@given(st.text(max_size=80), st.text(max_size=8))
def test_whatever_is_shown_is_refused_and_raises_nothing_else(token: str, principal: str) -> None:
    assert refusal(SignedTokenAuthenticator(SECRET, Clock()), ann(token, principal)) == REFUSED


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        SignedTokenAuthenticator(b"secret")
