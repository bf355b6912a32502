"""A hub in a process of its own that writes down all there is, and whose log and trail are looked at in the end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.deadline import DEADLINE
from support.hostile import unprintable
from support.hub_process import HubProcess
from support.ports import free_range
from support.stack import Certificates


@contextmanager
def logging_hub(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """The hub; it has made no mistake, written nothing that a terminal obeys, and no file that is not its own."""
    place = tmp_path_factory.mktemp("hub")
    sink = f"--audit-sink=file:{place / 'audit.jsonl'}"
    ports = free_range(100)
    options = ["--log-level=debug", "--log-format=json", f"--tunnel-port-range={ports.first}-{ports.last}", sink]
    # Nodes that know the wire alone send no heartbeats.
    options += ["--login-limit=0", "--metrics-from=loopback", f"--heartbeat-timeout={10 * DEADLINE:g}"]
    # What is refused stands in the trail, each time.
    settings = tmp_path_factory.mktemp("settings") / "hub.toml"
    settings.write_text('[[quotas]]\nprincipals = ["*"]\nrefusals = 1000000\nrequests = 1000000\n')
    process = HubProcess(certificates, place / "state", *options, f"--config={settings}")
    process.log = place / "hub.log"
    process.start_and_wait()
    try:
        yield process
        assert process.is_running
    finally:
        process.kill()
    written = process.log.read_text(errors="strict")
    assert "Traceback" not in written
    assert unprintable(written) == []
    assert all(isinstance(json.loads(line), dict) for line in written.splitlines())
    audited = (place / "audit.jsonl").read_text(errors="strict")
    assert unprintable(audited) == []
    assert all(json.loads(line)["hash"] for line in audited.splitlines())
    assert {path.name for path in place.iterdir()} == {"state", "audit.jsonl", "hub.log"}
