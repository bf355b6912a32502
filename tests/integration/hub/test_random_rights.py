"""Random hubs against a model of rights; `soak.attacks.rights` runs many more."""

import pytest
from support.rights_model import attack_one
from support.stack import Certificates


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_done_told_and_goes_on_is_what_the_model_says(certificates: Certificates, seed: int) -> None:
    attack = await attack_one(certificates, seed)
    assert attack.problems == []
    assert min(attack.outcomes[name] for name in ("allowed", "refused", "listed")) > 0
