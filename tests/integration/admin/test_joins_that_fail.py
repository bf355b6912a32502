"""A join that fails, at whichever point, leaves nothing behind: the invite and the node id are as good as before."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.raw_admin import ADMIN, ask, try_join
from support.raw_peer import RawPeer, logged_in
from support.stack import Certificates, hub_config

from omnyshell import OmnyShellHub
from omnyshell.errors import ConfigException
from omnyshell.services.hub.ground import state_file
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.reloading import HubReloading

MOST_STATEMENTS = 40


@pytest.fixture
async def hub(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OmnyShellHub]:
    # Nothing else may be what fails.
    monkeypatch.setattr(HubReloading, "tick", lambda _self, _now: None)
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "hub")) as started:
        yield started


@pytest.fixture
async def admin(certificates: Certificates, hub: OmnyShellHub) -> AsyncIterator[RawPeer]:
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as peer:
        yield peer


class FailingStatements:
    """Has one statement fail, of those that are run from now on, by its number; the last one is the commit."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        run, transaction = StateFile.run, state_file.transaction

        def failing(file: StateFile, statement: str, *values: object) -> list[Any]:
            self._count()
            return run(file, statement, *values)

        def failing_at_its_end(database: sqlite3.Connection) -> Any:
            return _committing(transaction(database), self._count)

        patch.setattr(StateFile, "run", failing)
        patch.setattr(state_file, "transaction", failing_at_its_end)

    def _count(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise ConfigException("cannot use the hub's state file: disk full")


class _committing:  # noqa: N801
    def __init__(self, transaction: Any, before: Callable[[], None]) -> None:
        self._transaction, self._before = transaction, before

    def __enter__(self) -> None:
        self._transaction.__enter__()

    def __exit__(self, type_: Any, value: Any, traceback: Any) -> Any:
        if type_ is None:
            try:
                self._before()
            except ConfigException as exc:
                if self._transaction.__exit__(type(exc), exc, exc.__traceback__):
                    return True
                raise
        return self._transaction.__exit__(type_, value, traceback)


def state(hub: OmnyShellHub) -> tuple[object, ...]:
    """All that a join changes, on disk and in memory."""
    records, services = hub._records, hub._services
    assert records is not None
    principals = tuple(each.id for each in services.gate._authenticator.principals())  # type: ignore[attr-defined]
    stored = [each.principal for each in records.enrolments.principals()]
    uses = [each.fleet.left if each.fleet else each.used_at for each in records.enrolments.invites()]
    labels = (records.enrolments.node_labels(), dict(hub.nodes.hub_labels))
    owners = (dict(records.owners.owners()), records._closing and _owners_on_disk(hub))
    return principals, stored, uses, labels, owners


def _owners_on_disk(hub: OmnyShellHub) -> list[Any]:
    assert hub.config.state_dir is not None
    with sqlite3.connect(hub.config.state_dir / "hub.sqlite3") as database:
        found = database.execute("SELECT * FROM node_owners").fetchall()
    database.close()
    return found


@pytest.mark.parametrize("fields", [{"nodeId": "n7"}, {"uses": 5, "idPrefix": "n"}], ids=["one", "fleet"])
async def test_a_join_that_fails_anywhere_changes_nothing_and_works_the_next_time(
    certificates: Certificates,
    hub: OmnyShellHub,
    admin: RawPeer,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
) -> None:
    made = await ask(
        admin,
        "admin.invite.create",
        "admin.invite.created",
        kind="node",
        ttlSeconds=600,
        labels={"allow-roles": "dev"},
        **fields,
    )
    failing, before = FailingStatements(monkeypatch), state(hub)
    for number in range(MOST_STATEMENTS):
        failing.left = number
        answer, _ = await try_join(
            certificates, hub.port, "node", made["token"], Ed25519PrivateKey.generate(), nodeId="n7"
        )
        did_fail, failing.left = failing.left is None, None
        if not did_fail:
            break
        assert answer["t"] == "join.refused", number
        assert state(hub) == before, number
    assert answer["t"] == "join.accepted"
    assert number > 5
    assert state(hub) != before
