"""What a running hub takes in: edited files, renewed certificates, a new configuration, and what it leaves."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from support.memory_hub import MemoryHub, memory_hub
from support.stack import GRANTS, Certificates, hub_config

from omnyshell import OmnyShellHub, TokenAuthenticator, TokenGrant
from omnyshell.errors import ConfigException
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages.admin import NodeRecordsRequest
from omnyshell.security.strict_modes import StrictModes
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.watched_files import WatchedFiles
from omnyshell.services.hub.options import OPTIONS
from omnyshell.transport.endpoint import EndpointLimits


class EditedFile:
    """A file that grants logins, as the hub takes it in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_text("first")
        self.path.chmod(0o600)
        self.taken: list[str] = []
        self.problem = ""
        self.changed: set[str] | None = set()
        self.meanwhile: Callable[[], None] = lambda: None
        self.watched = WatchedFiles((path,), self._reload)

    def _reload(self) -> set[str] | None:
        self.meanwhile()
        if self.problem:
            raise ConfigException(self.problem)
        self.taken.append(self.path.read_text())
        return self.changed


@pytest.fixture
def edited(tmp_path: Path) -> EditedFile:
    return EditedFile(tmp_path / "grants")


@pytest.fixture
def hub(certificates: Certificates, edited: EditedFile) -> Iterator[MemoryHub]:
    with memory_hub(certificates, watched=(edited.watched,), strict_modes=StrictModes()) as made:
        yield made


def authenticator(*grants: str) -> TokenAuthenticator:
    return TokenAuthenticator([TokenGrant.parse(grant) for grant in grants])


def test_an_edited_file_is_taken_in_once_it_rests(hub: MemoryHub, edited: EditedFile) -> None:
    hub.passes(3)
    assert edited.taken == []
    for text in ("written", "in several", "pieces, and done"):
        edited.path.write_text(text)
        hub.passes(0.5)
    assert edited.taken == []
    hub.passes(1)
    assert edited.taken == ["pieces, and done"]
    hub.passes(10)
    assert len(edited.taken) == 1
    (record,) = hub.audited("hub.reload")
    assert (record.outcome, record.detail) == ("ok", str(edited.path))


def test_a_file_that_is_wrong_changes_nothing_and_is_told(hub: MemoryHub, edited: EditedFile) -> None:
    dev = hub.logs_in("dev")
    edited.problem, edited.changed = "line 3 makes no sense", None
    edited.path.write_text("nonsense")
    hub.passes(2)
    assert (edited.taken, dev.closed_with) == ([], None)
    (record,) = hub.audited("hub.reload")
    assert (record.outcome, record.reason) == ("error", "line 3 makes no sense")
    edited.problem = ""
    edited.path.write_text("mended")
    hub.passes(2)
    assert edited.taken == ["mended"]


def test_a_file_that_others_may_write_is_not_taken_in(hub: MemoryHub, edited: EditedFile) -> None:
    edited.path.write_text("by anybody")
    edited.path.chmod(0o666)
    hub.passes(2)
    assert edited.taken == []
    (record,) = hub.audited("hub.reload")
    assert record.outcome == "error"


def test_a_file_that_changes_while_it_is_read_is_read_again(hub: MemoryHub, edited: EditedFile) -> None:
    def again() -> None:
        edited.meanwhile = lambda: None
        edited.path.write_text("second half")

    edited.meanwhile = again
    edited.path.write_text("first half")
    hub.passes(4)
    assert edited.taken[-1] == "second half"
    assert len(edited.taken) == 2


@pytest.mark.parametrize("changed", [None, {"dev"}, {"admin"}, {f"p{number}" for number in range(101)}])
def test_whose_logins_a_file_changes_are_judged_again(
    hub: MemoryHub, edited: EditedFile, changed: set[str] | None
) -> None:
    dev, node = hub.logs_in("dev"), hub.registers()
    edited.changed = changed
    gate = hub.hub.config.authenticator
    assert isinstance(gate, TokenAuthenticator)
    edited.meanwhile = lambda: gate.replace([TokenGrant.parse(text) for text in GRANTS if text[:3] != "dev"])
    edited.path.write_text("without dev")
    hub.passes(2)
    # Of one who is not named, nothing is looked at; of many, everybody.
    assert dev.closed_with == (None if changed == {"admin"} else 4400)
    assert node.closed_with is None


def test_a_reload_takes_over_all_but_what_a_restart_needs(hub: MemoryHub) -> None:
    before = hub.hub.config
    dev, node = hub.logs_in("dev"), hub.registers()
    told: list[list[str]] = []
    config = replace(
        before,
        authenticator=authenticator(*GRANTS[:2]),
        port=4444,
        heartbeat_timeout=5.0,
        metrics_token="hidden",
        audit_commands="none",
        endpoint=EndpointLimits(max_connections=7),
        node_labels={"n1": {"env": "prod"}},
        login_limit=replace(before.login_limit),
    )
    hub.loop.do(lambda: told.append(hub.hub.reload(config)))
    assert told == [["port"]]
    assert dev.closed_with == 4400
    assert hub.endpoint.limits.max_connections == 7
    admin = hub.logs_in("admin")
    (record,) = admin.asks(NodeRecordsRequest).nodes
    assert record.hub_labels == {"env": "prod"}
    node.stays_silent()
    hub.passes(7)
    admin.says(m.NodeListRequest())
    assert admin.hears(m.NodeListResponse).nodes == ()
    assert hub.audited("hub.reload")[-1].outcome == "ok"


def test_a_reload_with_a_certificate_that_cannot_be_used_changes_nothing(hub: MemoryHub, tmp_path: Path) -> None:
    before, dev = hub.hub.config, hub.logs_in("dev")
    missing = replace(before, cert=tmp_path / "none.pem", authenticator=authenticator())
    with pytest.raises(ConfigException):
        hub.loop.do(lambda: hub.hub.reload(missing))
    assert hub.hub.config is before
    assert dev.closed_with is None
    assert hub.logs_in("dev").hears(m.AuthOk)


def test_certificates_that_the_hub_renews_are_looked_after_each_day(certificates: Certificates) -> None:
    renewed: list[float] = []
    with memory_hub(certificates, renew_certificates=lambda: renewed.append(1.0)) as hub:
        hub.leaps(86_000)
        assert renewed == []
        hub.leaps(1_000)
        assert renewed == [1.0]
        hub.leaps(86_500)
        assert renewed == [1.0, 1.0]


def test_renewing_that_fails_is_told_and_tried_again(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise ConfigException("the authority's key is gone")

    with memory_hub(certificates, renew_certificates=fails) as hub:
        hub.leaps(90_000)
        assert "certificates are not renewed: the authority's key is gone" in caplog.text
        assert hub.logs_in("dev").hears(m.AuthOk)


def test_a_step_of_the_upkeep_that_fails_keeps_no_other_from_its_work(
    certificates: Certificates,
    edited: EditedFile,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("an authorizer of an embedder")

    monkeypatch.setattr("omnyshell.services.hub.revocation.lock_keeper.LockKeeper.tick", fails)
    with memory_hub(certificates, watched=(edited.watched,)) as hub:
        edited.path.write_text("new")
        hub.passes(3)
    assert edited.taken == ["new"]
    assert "an authorizer of an embedder" in caplog.text


class ReadConfig:
    """A configuration that notes which of its settings are read."""

    def __init__(self, config: HubConfig) -> None:
        self._config = config
        self.read: set[str] = set()

    def __getattr__(self, name: str) -> object:
        self.read.add(name)
        return getattr(self._config, name)


def test_a_reload_takes_over_each_option_that_is_not_for_a_restart(hub: MemoryHub) -> None:
    taken_over = {option.sets.partition(".")[0] for option in OPTIONS if option.sets and not option.restart}
    config = ReadConfig(hub.hub.config)
    hub.loop.do(lambda: hub.hub.reload(cast("HubConfig", config)))
    assert taken_over - config.read == set()


def test_a_hub_that_is_not_started_has_nothing_to_reload(certificates: Certificates) -> None:
    hub = OmnyShellHub(hub_config(certificates))
    with pytest.raises(RuntimeError, match="not started"):
        hub.reload(hub.config)
