"""The installed commands that reach no hub: certificates, keys, completion scripts, configuration files."""

import subprocess
import sys
from pathlib import Path

from support.stack import Certificates

OMNYSHELL = str(Path(sys.executable).with_name("omnyshell"))
DEADLINE = 20.0


def test_certificates_and_keys_are_made_and_shown(tmp_path: Path) -> None:
    def run(*words: str) -> str:
        done = subprocess.run([OMNYSHELL, *words], capture_output=True, timeout=DEADLINE, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("cert", "gen", "--out", str(tmp_path), "--host", "hub.example", "--host", "10.0.0.1", "--host", "::1")
    shown = run("cert", "show", str(tmp_path / "hub.pem"))
    assert "hub.example" in shown
    assert "10.0.0.1" in shown
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    (line,) = run("keygen", "--out", str(tmp_path / "k"), "--principal", "ann").splitlines()
    assert [len(word) for word in line.split()] == [3, 43, 9]
    for shell in ("bash", "zsh", "fish"):
        assert "omnyshell" in run("completion", shell)


def test_a_renewed_certificate_keeps_its_names(tmp_path: Path) -> None:
    def generate(*words: str) -> tuple[str, str]:
        command = [OMNYSHELL, "cert", "gen", "--out", str(tmp_path), *words]
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE, text=True, check=True)
        return done.stdout.splitlines()[-1].removeprefix("names").strip(), done.stderr

    assert generate() == ("localhost, 127.0.0.1, ::1", "")
    assert generate("--host", "hub.example", "--host", "localhost")[0] == "hub.example, localhost"
    assert generate() == ("hub.example, localhost", "")
    names, told = generate("--host", "localhost")
    assert names == "localhost"
    assert "whoever reaches the hub as hub.example is refused now" in told


def test_a_damaged_certificate_is_renewed_only_for_names_that_are_given(tmp_path: Path) -> None:
    command = [OMNYSHELL, "cert", "gen", "--out", str(tmp_path)]
    subprocess.run(command, capture_output=True, timeout=DEADLINE, check=True)
    (tmp_path / "hub.pem").write_text("garbage")
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE, text=True, check=False)
    assert (done.returncode, "--host" in done.stderr) == (255, True)
    subprocess.run([*command, "--host", "hub.example"], capture_output=True, timeout=DEADLINE, check=True)


def test_a_configuration_file_gives_options_and_a_wrong_key_is_an_error(
    tmp_path: Path, certificates: Certificates
) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(f'cert = "{certificates.cert}"\nkey = "{certificates.key}"\nports = 1\n')
    done = subprocess.run(
        [OMNYSHELL, "hub", "start", "--config", str(config)], capture_output=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 255
    assert b"'ports'" in done.stderr
