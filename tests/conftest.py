"""What all tests share."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the user's logins and state."""
    monkeypatch.setenv("OMNYSHELL_HOME", str(tmp_path_factory.mktemp("home")))
    for name in ("HUB", "PRINCIPAL", "TOKEN", "TOKEN_FILE", "KEY", "CA"):
        monkeypatch.delenv(f"OMNYSHELL_{name}", raising=False)
