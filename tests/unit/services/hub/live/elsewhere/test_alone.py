"""A hub that is alone loads nothing of other hubs."""

import subprocess
import sys

import pytest


@pytest.mark.usefixtures("unmeasured")
def test_what_a_hub_alone_is_made_of_has_nothing_of_other_hubs() -> None:
    loads = "import sys, omnyshell.services.hub.hub as hub; print([name for name in sys.modules if name.startswith"
    names = "('omnyshell.services.hub.live.elsewhere', 'omnyshell.services.hub.cluster')"
    ran = subprocess.run([sys.executable, "-c", f"{loads}({names})])"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
