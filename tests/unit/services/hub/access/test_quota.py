"""Limits by principal, without a hub: who is meant by which, what is kept for administrators, what is given back."""

import itertools
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.clock import FakeClock
from support.in_one_test import in_one_test

from omnyshell import AuditLog, Principal, PrincipalId
from omnyshell.errors import ConfigException
from omnyshell.options.toml_file import TomlFile
from omnyshell.protocol.limits import HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT, KIB, MIB
from omnyshell.protocol.messages import ChannelWindow, NodeListRequest
from omnyshell.protocol.outbox import Backlog
from omnyshell.services.hub.access import audit_sums
from omnyshell.services.hub.access.audit_sums import CAUSED_BY_OTHERS, MINUTE, SUMMARY_PERIOD, AuditAdmission, AuditSums
from omnyshell.services.hub.access.quota import BURST, MAX_UNFINISHED, Account, Bucket, Pool, Quota
from omnyshell.services.hub.ground.limits import DEFAULTS, EVERYBODY, NOUNS, Allowance, QuotaLimits, Resource
from omnyshell.services.hub.options import read_quotas
from omnyshell.services.hub.peers.pace import FLOW, FREE_REQUESTS, LONGEST_HOLD, Pace, cost_of


def principal(name: str = "ann", *roles: str) -> Principal:
    return Principal(PrincipalId(name), frozenset(roles))


ANN, ADMIN = principal("ann", "ops"), principal("root", "admin")


def test_every_resource_has_a_default_and_a_noun() -> None:
    assert {*DEFAULTS} == {*NOUNS} == {*Resource}


@in_one_test("resource", Resource)
def test_the_closest_limit_counts_and_the_last_of_equals(resource: Resource) -> None:
    rows = {
        "everybody": Allowance({resource: 2}, frozenset({EVERYBODY})),
        "role": Allowance({resource: 3}, roles=frozenset({"ops"})),
        "name": Allowance({resource: 4}, frozenset({"ann"})),
    }
    for order in itertools.permutations(rows.values()):
        assert QuotaLimits(exceptions=order).limit(ANN, resource) == 4
        assert QuotaLimits(exceptions=order).limit(principal("bob", "ops"), resource) == 3
        assert QuotaLimits(exceptions=order).limit(principal("eve"), resource) == 2
    again = Allowance({resource: 9}, frozenset({"ann"}))
    assert QuotaLimits(exceptions=(rows["name"], again)).limit(ANN, resource) == 9
    assert QuotaLimits(exceptions=(again, rows["name"])).limit(ANN, resource) == 4
    assert QuotaLimits().limit(ANN, resource) == DEFAULTS[resource]


def test_who_joined_as_a_node_has_one_id() -> None:
    limits = QuotaLimits(node_ids=5)
    assert limits.limit(principal("node:n1"), Resource.NODE_IDS) == 1
    assert limits.limit(principal("box"), Resource.NODE_IDS) == 5


@in_one_test("size", [*range(1, 70), 500, 10_000])
def test_of_a_pool_nobody_takes_all_and_administrators_find_some(size: int) -> None:
    quota = Quota()
    others, taken = 0, 0
    for who in (principal(f"m{number}") for number in range(size + 1)):
        held = 0
        while not quota.problem(who, Resource.TUNNELS, held, Pool(size, taken)):
            held += 1
            taken += 1
        assert held <= (size + 1) // 2
        others += held
    left = size - others
    assert left == Pool(size, 0).reserve
    assert left >= 1 or size < 4
    if left:
        assert quota.problem(ADMIN, Resource.TUNNELS, 0, Pool(size, taken)) == ""


def test_who_is_named_may_have_more_than_half_of_a_pool_and_nothing_of_what_is_kept() -> None:
    quota = Quota(QuotaLimits(exceptions=(Allowance({Resource.TUNNELS: 100}, frozenset({"ann"})),)))
    pool = Pool(16, 13)
    assert quota.problem(ANN, Resource.TUNNELS, 13, pool) == ""
    assert "kept for administrators" in quota.problem(ANN, Resource.TUNNELS, 13, Pool(16, 14))
    assert "limit 'tunnels'" in quota.problem(principal("bob"), Resource.TUNNELS, 8, pool)
    assert quota.refused == {Resource.TUNNELS: 2}


@pytest.mark.parametrize("rate", [1, 7, 1000])
def test_a_bucket_lets_through_its_depth_and_then_its_rate(rate: int) -> None:
    bucket, now, depth = Bucket(), 100.0, 2.0
    at_once = 0
    while bucket.has_one(now, 1 / rate, depth):
        assert bucket.take(now, 1 / rate, depth) <= 1e-6
        at_once += 1
    assert at_once == pytest.approx(depth * rate, abs=1)
    through = 0
    for step in range(1000):
        while bucket.has_one(now + step / 100, 1 / rate, depth):
            bucket.take(now + step / 100, 1 / rate, depth)
            through += 1
    assert through == pytest.approx(10 * rate, abs=rate / 50 + 1)


class FakeLink:
    """Time passes where reading is held."""

    def __init__(self) -> None:
        self.last_heard = 0.0
        self.unfinished_bytes = 0

    def hold_reading(self, seconds: float) -> None:
        self.last_heard += seconds

    def count_queued(self, backlog: Backlog) -> None:
        """Nothing waits here."""


def pace_of(quota: Quota, who: Principal = ANN, role: str = "client") -> tuple[Pace, FakeLink]:
    pace, link = Pace(quota), FakeLink()
    pace.link = cast("Any", link)
    pace.logged_in(who, role)
    return pace, link


def test_requests_of_all_connections_of_a_principal_count_together() -> None:
    quota = Quota()
    pace, link = pace_of(quota)
    other, other_link = pace_of(quota)
    bob, bobs_link = pace_of(quota, principal("bob"))
    for _ in range(3000):
        for mine in (pace, other):
            mine.said(cost_of(NodeListRequest(), True), 0.0001)
        other_link.last_heard = link.last_heard = max(link.last_heard, other_link.last_heard)
    assert link.last_heard == pytest.approx((6000 - 2 * FREE_REQUESTS) / 1000 - BURST, abs=0.1)
    bob.said(cost_of(NodeListRequest(), True), 0)
    assert bobs_link.last_heard == 0


@in_one_test("owed", [0.1, 4.9, 5.1, 60, 3600])
def test_a_connection_is_held_for_what_it_owes_and_never_longer_than_its_heartbeats_can_wait(owed: float) -> None:
    quota = Quota()
    pace, link = pace_of(quota)
    pace.charge(FREE_REQUESTS)
    pace.charge((BURST + owed) * DEFAULTS[Resource.REQUESTS])
    assert link.last_heard == pytest.approx(min(owed, LONGEST_HOLD), abs=0.01)
    assert HEARTBEAT_INTERVAL + LONGEST_HOLD < HEARTBEAT_TIMEOUT
    held = link.last_heard
    pace.charge()
    # What is left is waited for in turns.
    left = max(0, owed - LONGEST_HOLD)
    assert link.last_heard - held == pytest.approx(min(left, LONGEST_HOLD), abs=0.03)


def test_what_flows_on_channels_counts_little_where_it_has_a_place() -> None:
    assert ChannelWindow in FLOW
    quota = Quota()
    for had_place, most in ((True, 0.1), (False, 10.0)):
        pace, link = pace_of(quota, principal(f"of-{had_place}"))
        for _ in range(4000):
            pace.said(cost_of(ChannelWindow(credit=1), had_place), 0.00001)
        assert (link.last_heard > 1) is not had_place
        assert link.last_heard < most


def test_small_data_counts_as_little_as_it_takes_and_bulk_nothing() -> None:
    for role, count in (("client", 16_000), ("node", 32_000)):
        pace, link = pace_of(Quota(), role=role)
        for _ in range(count):
            pace.small_data()
        assert link.last_heard == pytest.approx(1 - BURST, abs=0.1)
    pace, link = pace_of(Quota())
    for _ in range(8_000):
        pace.misplaced(64 * KIB)
    assert link.last_heard == pytest.approx(1 - BURST, abs=0.1)


def test_a_request_that_takes_the_hub_long_counts_for_several() -> None:
    pace, link = pace_of(Quota())
    for _ in range(100):
        pace.said(cost_of(NodeListRequest(), True), 0.03)
    # Half of the time is left for everybody else.
    assert link.last_heard == pytest.approx(2 * 100 * 0.03, abs=0.5)


@in_one_test("seed", range(50))
def test_in_whatever_order_connections_come_and_go_nothing_stays_counted(seed: int) -> None:
    chooser = random.Random(seed)
    quota = Quota(QuotaLimits(exceptions=(Allowance({Resource.UNFINISHED: 1}, frozenset({"ann"})),)))
    people = (ANN, principal("bob"), ADMIN)
    paces: list[tuple[Principal, Pace, FakeLink]] = []
    for _ in range(300):
        act = chooser.random()
        if act < 0.3 or not paces:
            who = chooser.choice(people)
            paces.append((who, *pace_of(quota, who)))
        elif act < 0.5:
            _, gone, _ = paces.pop(chooser.randrange(len(paces)))
            gone.ended()
            gone.ended()
        else:
            who, pace, link = chooser.choice(paces)
            before = link.unfinished_bytes
            link.unfinished_bytes = chooser.choice((0, 10, MIB // 2, 2 * MIB))
            mine = sum(each.unfinished_bytes for owner, _, each in paces if owner is who)
            most = MIB if who is ANN else 16 * MIB
            why = pace.slow_read(chooser.randrange(3))
            assert bool(why) is (link.unfinished_bytes > before and mine > most)
        for who in people:
            mine_now = [each for owner, _, each in paces if owner is who]
            account = quota.account(who.id)
            held = (account.connections, account.unfinished) if account is not None else (0, 0)
            assert held == (len(mine_now), sum(link.unfinished_bytes for link in mine_now))
        assert quota.connections == len(paces)
        assert quota.unfinished == sum(link.unfinished_bytes for _, _, link in paces)
    for _, pace, _ in paces:
        pace.ended()
    assert (quota.connections, quota.unfinished) == (0, 0)
    quota.forget_quiet(1e9)
    assert all(quota.account(who.id) is None for who in people)


def test_together_nobody_but_administrators_fills_the_memory_for_unfinished_messages() -> None:
    quota = Quota()
    problems = [quota.unfinished_grew(Account(principal(f"m{number}")), 8 * MIB) for number in range(8)]
    assert problems[:7] == [""] * 7
    assert "All together" in problems[7]
    assert quota.unfinished == MAX_UNFINISHED
    # Who has little is not cut off for what others have.
    assert quota.unfinished_grew(Account(ANN), MIB) == ""
    quota.unfinished_grew(Account(principal("m7")), -8 * MIB)
    assert quota.unfinished_grew(Account(ADMIN), 4 * MIB) == ""


def test_an_account_in_debt_is_kept_until_it_has_none() -> None:
    quota = Quota()
    pace, link = pace_of(quota)
    for _ in range(500):
        pace.charge()
    owed = link.last_heard
    pace.ended()
    quota.forget_quiet(owed)
    assert quota.account("ann") is not None
    quota.forget_quiet(owed + 2)
    assert quota.account("ann") is None


def sums(limit: int = 60) -> tuple[AuditLog, AuditSums, FakeClock]:
    clock = FakeClock()
    quota = Quota(QuotaLimits(exceptions=(Allowance({Resource.REFUSALS: limit}, frozenset({EVERYBODY})),)))
    admission = AuditAdmission(quota, clock)
    audit = AuditLog(clock, admits=admission.admits)
    return audit, AuditSums(admission, audit), clock


@pytest.mark.parametrize("limit", [1, 5, 60])
def test_refusals_are_audited_up_to_a_limit_and_then_in_sum_by_what_was_refused(limit: int) -> None:
    audit, refusals, clock = sums(limit)
    for number in range(1000):
        audit.record(("session.rejected", "tunnel.rejected")[number % 2], "denied", principal="eve")
    audit.record("session.rejected", "denied", principal="ann")
    audit.record("session.open", principal="eve")
    clock.seconds += SUMMARY_PERIOD
    refusals.summarize(clock.monotonic())
    told = [record for record in audit if record.principal == "eve" and record.outcome == "denied"]
    assert len(told) == limit + 2
    assert sum(int(record.detail.split()[0]) for record in told[-2:]) == 1000 - limit
    assert len([record for record in audit if record.principal == "ann"]) == 1
    assert [record.action for record in audit if record.outcome == "ok"] == ["session.open"]
    # Nothing more to tell, then a minute later as at first.
    before = len(audit)
    clock.seconds += SUMMARY_PERIOD
    refusals.summarize(clock.monotonic())
    assert len(audit) == before
    clock.seconds += MINUTE
    audit.record("session.rejected", "denied", principal="eve")
    assert len(audit) == before + 1


def test_whoever_waits_for_a_node_is_told_of_once_and_in_sum_and_takes_nothing_from_other_refusals() -> None:
    audit, refusals, clock = sums(5)
    gone = {"principal": "ann", "address": "192.0.2.1", "node_id": "n1", "reason": "unknown_node"}
    for _ in range(40):
        audit.record("session.rejected", "denied", **gone)
    # What says something else is a refusal as any other: another node, address, command, or reason.
    others = ({"node_id": "n2"}, {"address": "192.0.2.2"}, {"command": "ls"}, {"reason": "not_authorized"})
    for other in others:
        audit.record("session.rejected", "denied", **gone | other)
    assert len(audit) == 1 + len(others)
    # The limit is met by different ones alone; beyond it they are counted as ever.
    for number in range(10):
        audit.record("session.rejected", "denied", **gone | {"node_id": f"other{number}"})
    audit.record("tunnel.rejected", "denied", principal="ann", reason="node_offline")
    assert len(audit) == 5
    clock.seconds += MINUTE
    refusals.summarize(clock.monotonic())
    told = {(each.action, each.node_id, each.reason): each.detail for each in list(audit)[5:]}
    assert told == {
        ("session.rejected", "", "limited"): "10 more of these",
        ("tunnel.rejected", "", "limited"): "1 more of these",
        ("session.rejected", "n1", "unknown_node"): "39 more of these",
    }
    audit.record("session.rejected", "denied", **gone)
    refusals.flush()
    assert list(audit)[-1].detail == "1 more of these"
    # Long behind the wait another one begins.
    audit.record("session.rejected", "denied", **gone)
    assert list(audit)[-1].detail == ""


@in_one_test("action", sorted(CAUSED_BY_OTHERS))
def test_what_others_do_in_somebodys_name_takes_nothing_of_what_is_told_of_him(action: str) -> None:
    audit, _, _ = sums(1)
    for _ in range(10):
        audit.record(action, "denied", principal="ann")
    audit.record("session.rejected", "denied", principal="ann")
    assert len(audit) == 11


def test_what_is_done_alike_is_audited_up_to_a_limit_and_then_in_sum() -> None:
    audit, sums_, clock = sums()
    for number in range(1000):
        where = {"principal": "eve", "address": ("192.0.2.1", "192.0.2.2")[number % 2]}
        audit.record("auth.ok", **where, alike=("client", b"key"), detail=f"role {number}")
        audit.record("node.register", **where, node_id="n1")
        audit.record("session.open", **where, session_id=f"{number}")
    # What tells something new is kept: another credential, address, node or detail.
    audit.record("auth.ok", principal="eve", address="192.0.2.1", alike=("client", b"other"), detail="role 1")
    audit.record("node.register", principal="eve", address="192.0.2.1", node_id="n2")
    audit.record("node.register", principal="eve", address="192.0.2.1", node_id="n1", detail="new")
    audit.record("node.register", principal="ann", address="192.0.2.1", node_id="n1")
    clock.seconds += SUMMARY_PERIOD
    sums_.summarize(clock.monotonic())
    count = Counter(record.action for record in audit)
    assert count == {"auth.ok": 2 * 120 + 1 + 2, "node.register": 2 * 120 + 3 + 2, "session.open": 1000}
    told = {(each.action, each.address, each.node_id): each.detail for each in audit if each.reason == "limited"}
    assert told == {
        ("auth.ok", "192.0.2.1", ""): "380 more of these",
        ("auth.ok", "192.0.2.2", ""): "380 more of these",
        ("node.register", "192.0.2.1", "n1"): "380 more of these",
        ("node.register", "192.0.2.2", "n1"): "380 more of these",
    }


def test_of_what_is_alike_so_many_kinds_are_counted_and_what_is_beyond_them_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_sums, "MOST_ALIKE", 10)
    audit, sums_, clock = sums()
    for number in range(100):
        audit.record("auth.ok", principal="eve", address=f"192.0.2.{number}")
    for _ in range(200):
        audit.record("auth.ok", principal="eve", address="192.0.2.99")
    assert (len(audit), len(sums_._admission._buckets)) == (300, 10)
    clock.seconds += MINUTE
    sums_.summarize(clock.monotonic())
    assert len(sums_._admission._buckets) == 0


def test_what_anybody_may_do_at_will_is_summed_up_too() -> None:
    audit, _, _ = sums(3)
    for _ in range(10):
        audit.record("events.subscribe", principal="eve")
    assert len(audit) == 3


def read(text: str, path: Path) -> tuple[Allowance, ...]:
    path.write_text(text)
    file = TomlFile(path)
    return read_quotas(file.data["quotas"], file)


def test_the_file_says_other_limits(tmp_path: Path) -> None:
    text = '[[quotas]]\nprincipals = ["ann"]\nroles = ["ci"]\nsessions = 5\nnode-ids = 0\n'
    (row,) = read(text, tmp_path / "hub.toml")
    assert row == Allowance({Resource.SESSIONS: 5, Resource.NODE_IDS: 0}, frozenset({"ann"}), frozenset({"ci"}))


@in_one_test(
    ("row", "told"),
    [
        ("sessions = 5", "says for whom"),
        ('principals = ["ann"]', "says which limits"),
        ("principals = []\nsessions = 5", "is empty"),
        ('principals = ["ann"]\nsesions = 5', "did you mean 'sessions'"),
        ('principals = ["ann"]\nsessions = -1', "at least 0"),
        ('principals = ["ann"]\nrequests = 0', "at least 1"),
        ('principals = ["ann"]\nsessions = true', "whole number"),
        ('principals = ["ann"]\nsessions = 1.5', "whole number"),
        ('principals = ["a\\nb"]\nsessions = 5', "no name"),
        ('roles = ["a,b"]\nsessions = 5', "no role"),
    ],
)
def test_a_mistake_in_the_file_is_named(row: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigException, match=told):
        read(f"[[quotas]]\n{row}\n", tmp_path / "hub.toml")


def test_what_a_stranger_says_counts_for_its_connection_alone() -> None:
    quota = Quota()
    pace = Pace(quota)
    link = SimpleNamespace(last_heard=0.0, unfinished_bytes=99, hold_reading=lambda _seconds: None)
    pace.link = cast("Any", link)
    assert pace.slow_read(3) == ""
    pace.ended()
    assert (quota.connections, quota.unfinished) == (0, 0)


def test_the_documents_have_every_limit_with_its_default() -> None:
    text = (Path(__file__).parents[5] / "docs" / "configuration.md").read_text()
    for resource, default in DEFAULTS.items():
        assert f"| `{resource}` | {default} |" in text
