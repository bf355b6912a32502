"""Who may see the console in a browser."""

from support.in_one_test import in_one_test

from omnyshell.tui.web.gate import HEADERS, Gate, Verdict

HOST = "127.0.0.1:4711"


def judge(
    gate: Gate, path: str = "/", host: str = HOST, origin: str | None = None, cookie: str | None = None
) -> Verdict:
    return gate.judge(path, host=host, origin=origin, cookie=cookie)


def test_the_link_opens_once_and_its_cookie_opens_the_rest() -> None:
    gate = Gate(4711)
    path = gate.link.removeprefix(f"http://{HOST}")
    assert judge(gate, cookie=None) is Verdict.REFUSE
    assert judge(gate, path + "x") is Verdict.REFUSE
    assert judge(gate, path) is Verdict.ENTER
    assert judge(gate, path) is Verdict.REFUSE
    assert judge(gate, "/enter/") is Verdict.REFUSE, "nothing opens once the link is used up"
    assert judge(gate, cookie=gate.cookie) is Verdict.SERVE
    assert judge(gate, "/ws", cookie=gate.cookie, origin=f"http://{HOST}") is Verdict.SERVE


@in_one_test("cookie", ["", "x", "\udcff", "é"])
def test_another_cookie_opens_nothing(cookie: str) -> None:
    assert judge(Gate(4711), cookie=cookie) is Verdict.REFUSE


@in_one_test("host", ["", "evil.example", "evil.example:4711", "127.0.0.1", "127.0.0.1:4712", "localhost:4711"])
def test_another_name_for_this_machine_opens_nothing(host: str) -> None:
    gate = Gate(4711)
    assert judge(gate, host=host, cookie=gate.cookie) is Verdict.REFUSE
    assert judge(gate, gate.link.removeprefix(f"http://{HOST}"), host=host) is Verdict.REFUSE
    assert judge(gate, gate.link.removeprefix(f"http://{HOST}")) is Verdict.ENTER, "and does not use up the link"


@in_one_test("origin", ["null", "https://127.0.0.1:4711", "http://127.0.0.1:8000", "http://evil.example"])
def test_pages_of_other_sites_open_nothing(origin: str) -> None:
    gate = Gate(4711)
    assert judge(gate, "/ws", origin=origin, cookie=gate.cookie) is Verdict.REFUSE


def test_nothing_is_fetched_from_elsewhere() -> None:
    assert HEADERS["Content-Security-Policy"].startswith("default-src 'self';")
    assert "http" not in HEADERS["Content-Security-Policy"]
