import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.security import login_limit
from omnyshell.security.login_limit import LoginLimit, LoginLimiter, Subject, Suppressed, Verdict

ANSWER, CLOSE = Verdict.ANSWER, Verdict.CLOSE


@pytest.fixture
def limiter(clock):
    return LoginLimiter(LoginLimit.parse("10/min"), clock)


def hammer(limiter, attempts, address="192.0.2.1", principal="alice"):
    """Fail as fast as the limiter lets one; how many failures were answered."""
    return sum(
        not limiter.address_blocked(address) and limiter.record_failure(address, principal) is ANSWER
        for _ in range(attempts)
    )


@in_one_test(
    ("text", "count", "period"),
    [("10/min", 10, 60), ("5/s", 5, 1), ("100/h", 100, 3600), (" 1/min ", 1, 60), ("0", 0, 60), ("0/s", 0, 1)],
)
def test_limit_is_parsed(text, count, period):
    assert LoginLimit.parse(text) == LoginLimit(count, period)


@in_one_test(
    "text", ["", "10", "10/", "/min", "-1/min", "10/day", "1.5/s", "10 / min", "\u0661/min", "1e9/s", "9999999/s"]
)
def test_limit_that_is_wrong(text):
    with pytest.raises(ConfigException, match="10/min"):
        LoginLimit.parse(text)


def test_no_limit(clock):
    limiter = LoginLimiter(LoginLimit.parse("0"), clock)
    assert hammer(limiter, 1000) == 1000
    assert limiter.take_suppressed() == []


def test_penalty_doubles_up_to_ten_minutes(limiter, clock):
    penalties = []
    for _ in range(6):
        assert hammer(limiter, 1000) == 10
        waited = 0
        while limiter.address_blocked("192.0.2.1"):
            clock.advance(1)
            waited += 1
        penalties.append(waited)
    assert penalties == [60, 120, 240, 480, 600, 600]


def test_ten_thousand_wrong_tokens(limiter, clock):
    answered = 0
    for _ in range(10_000):
        answered += hammer(limiter, 1)
        clock.advance(0.06)
    assert 10 <= answered <= 40
    assert not limiter.address_blocked("192.0.2.2")


def test_a_penalty_fades_by_half_each_ten_quiet_minutes(limiter, clock):
    def next_penalty():
        hammer(limiter, 10)
        waited = 0
        while limiter.address_blocked("192.0.2.1"):
            clock.advance(1)
            waited += 1
        return waited

    assert [next_penalty() for _ in range(4)] == [60, 120, 240, 480]
    clock.advance(1200)
    assert next_penalty() == 150
    clock.advance(599)
    assert next_penalty() == 300
    clock.advance(600 * 1000)
    assert next_penalty() == 60


def test_failures_at_the_rate_of_the_limit_never_block(limiter, clock):
    for _ in range(500):
        clock.advance(6)
        assert not limiter.address_blocked("192.0.2.1")
        assert limiter.record_failure("192.0.2.1", "alice") is ANSWER


def test_a_low_rate_is_kept_although_blocks_are_shorter(clock):
    limiter = LoginLimiter(LoginLimit.parse("1/h"), clock)
    answered = 0
    for _ in range(4 * 60):
        answered += hammer(limiter, 5)
        clock.advance(60)
    assert answered == 4


def test_addresses_do_not_affect_each_other(limiter):
    hammer(limiter, 100, "192.0.2.1", "alice")
    assert limiter.address_blocked("192.0.2.1")
    assert not limiter.address_blocked("192.0.2.2")
    assert limiter.record_failure("192.0.2.2", "bob") is ANSWER


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:DB8:1:2:0:0:0:5", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("unix:/run/hub", "unix:/run/hub", True),
        ("", "192.0.2.1", False),
    ],
)
def test_addresses_are_grouped(limiter, one, other, same):
    hammer(limiter, 10, one)
    assert limiter.address_blocked(other) is same


def test_a_principal_that_is_guessed_at_from_everywhere(limiter, clock):
    verdicts = [limiter.record_failure(f"192.0.2.{i}", "alice") for i in range(15)]
    assert verdicts == [ANSWER] * 10 + [CLOSE] * 5
    assert not limiter.address_blocked("192.0.2.99")
    assert limiter.record_failure("192.0.2.99", "bob") is ANSWER
    clock.advance(59)
    assert limiter.record_failure("192.0.2.99", "alice") is CLOSE
    clock.advance(1)
    assert limiter.record_failure("192.0.2.99", "alice") is ANSWER


def test_failures_that_arrive_together_are_not_all_answered(limiter):
    assert not limiter.address_blocked("192.0.2.1")
    verdicts = [limiter.record_failure("192.0.2.1", f"user{i}") for i in range(50)]
    assert verdicts == [ANSWER] * 10 + [CLOSE] * 40


def test_what_is_not_answered_prolongs_nothing(limiter, clock):
    hammer(limiter, 10)
    for _ in range(60):
        assert limiter.address_blocked("192.0.2.1")
        assert limiter.record_failure("192.0.2.1", "alice") is CLOSE
        clock.advance(1)
    assert not limiter.address_blocked("192.0.2.1")


def test_suppressed_failures_are_counted_and_taken(limiter):
    for _ in range(10):
        limiter.record_failure("2001:db8::1", "alice")
    for _ in range(5):
        limiter.address_blocked("2001:db8::2")
    limiter.record_failure("2001:db8::3", "bob")
    limiter.record_failure("192.0.2.1", "alice")
    assert limiter.take_suppressed() == [
        Suppressed(Subject.ADDRESS, "2001:db8::/64", 6),
        Suppressed(Subject.PRINCIPAL, "alice", 1),
    ]
    assert limiter.take_suppressed() == []


def test_memory_is_bounded(limiter, monkeypatch):
    monkeypatch.setattr(login_limit, "MAX_ENTRIES", 100)
    hammer(limiter, 13, "192.0.2.1", "victim")
    for i in range(1000):
        limiter.record_failure(f"10.0.{i >> 8}.{i & 255}", f"user{i}")
    assert len(limiter._addresses._entries) == len(limiter._principals._entries) == 100
    assert not limiter.address_blocked("192.0.2.1")
    assert limiter.take_suppressed() == [Suppressed(Subject.ADDRESS, "192.0.2.1", 3)]


def test_an_address_that_goes_on_is_not_forgotten(limiter, monkeypatch):
    monkeypatch.setattr(login_limit, "MAX_ENTRIES", 100)
    hammer(limiter, 10)
    for i in range(500):
        limiter.record_failure(f"10.0.{i >> 8}.{i & 255}", f"user{i}")
        assert limiter.address_blocked("192.0.2.1")


def test_long_names_take_little_room(limiter):
    one, other = "x" * 60_000 + "a", "x" * 60_000 + "b"
    for i in range(11):
        limiter.record_failure(f"192.0.2.{i}", one)
    assert limiter.record_failure("192.0.2.20", other) is ANSWER
    assert limiter.record_failure("192.0.2.20", "\ud800" * 200) is ANSWER
    (suppressed,) = limiter.take_suppressed()
    assert len(suppressed.key) <= 128


STEP = st.tuples(st.sampled_from([0, 0, 0, 0.5, 6, 70, 700]), st.integers(0, 2), st.integers(0, 2))


@given(st.lists(STEP, max_size=120))
def test_answers_never_exceed_the_rate(steps):
    class Clock:
        time = 0.0

        def now(self):
            raise NotImplementedError

        def monotonic(self):
            return self.time

    clock = Clock()
    limiter = LoginLimiter(LoginLimit.parse("3/min"), clock)
    answered = {}
    for wait, address, principal in steps:
        clock.time += wait
        if limiter.address_blocked(f"192.0.2.{address}"):
            continue
        if limiter.record_failure(f"192.0.2.{address}", f"user{principal}") is ANSWER:
            for key in (f"address {address}", f"principal {principal}"):
                times = answered.setdefault(key, [])
                times.append(clock.time)
                assert sum(moment > clock.time - 60 for moment in times) <= 6
