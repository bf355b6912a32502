"""What the options of `hub start` make of files."""

from pathlib import Path

from support.stack import Certificates

from omnyshell.cli.hub import config_from
from omnyshell.cli.parsing import parse
from omnyshell.cli.spec import HUB_START
from omnyshell.security.authenticators import principals_of


def test_grants_and_keys_are_followed_each_in_its_own_file(certificates: Certificates, tmp_path: Path) -> None:
    grants, keys = tmp_path / "grants", tmp_path / "authorized_keys"
    grants.write_text("ann:ann-token:admin\nbob:bob-token:developer\n")
    keys.write_text("# nobody yet\n")
    words = [
        *("--cert", str(certificates.cert), "--key", str(certificates.key)),
        *("--grant-token-file", str(grants), "--authorized-keys", str(keys)),
    ]
    config = config_from(parse(HUB_START, words))
    assert sorted(principals_of(config.authenticator)) == ["ann", "bob"]
    grants.write_text("ann:ann-token:admin\n")
    for watched in config.watched:
        watched.reload()
    assert sorted(principals_of(config.authenticator)) == ["ann"]
