"""Logins at several hubs: named, listed, tried, chosen by a piece of their name, as the installed program."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import run_text
from support.hub_process import HubProcess
from support.stack import Certificates


@pytest.fixture
def hub(certificates: Certificates, tmp_path: Path) -> Iterator[HubProcess]:
    made = HubProcess(certificates, tmp_path / "hub")
    made.start_and_wait()
    yield made
    made.kill()


def test_hubs_are_saved_under_names_listed_tried_and_chosen(certificates: Certificates, hub: HubProcess) -> None:
    def run(*words: str, token: str | None = None) -> "subprocess.CompletedProcess[str]":
        env = os.environ | ({"OMNYSHELL_TOKEN": token} if token else {})
        return run_text(*words, env=env)

    urls = [f"wss://127.0.0.1:{hub.port}", f"wss://localhost:{hub.port}"]
    for url, name, principal in zip(urls, ("prod-east", "prod-west"), ("admin", "dev"), strict=True):
        words = ["--hub", url.replace("wss", "https"), "--principal", principal, "--ca", str(certificates.ca)]
        done = run("login", "--name", name, *words, token=f"{principal}-token")
        assert done.returncode == 0, done.stderr
    rows = run("login", "--list").stdout.splitlines()
    assert [row.split() for row in rows[1:]] == [
        [urls[0], "prod-east", "admin", "a", "token"],
        ["*", urls[1], "prod-west", "dev", "a", "token"],
    ]
    assert "dev (roles" in run("whoami").stdout
    assert "admin (roles" in run("whoami", "--hub", "east").stdout
    assert run("login", "--default", "east").stdout == f"{urls[0]} is the default now\n"
    assert "admin (roles" in run("whoami").stdout
    done = run("whoami", "--hub", "prod")
    assert (done.returncode, done.stdout) == (255, "")
    assert "--hub: 'prod' is a piece of several saved hubs" in done.stderr

    done = run("login", "--check", "--json")
    assert (done.returncode, [record["works"] for record in json.loads(done.stdout)]) == (0, [True, True])
    hub.kill()
    done = run("login", "--check")
    assert done.returncode == 255
    assert done.stdout.count("connection refused") == 2
    # Where no hub answers on this machine, it is said what starts one.
    assert "`omnyshell up` starts one on this machine" in run("whoami").stderr
