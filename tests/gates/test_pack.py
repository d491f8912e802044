"""Gate 1 and those who would configure it: nobody turns a rule off by a file of `--policy-pack-config`.

What the engine (3.250) makes of that file before the pack sees it: `all` is applied to every policy and then handed on
as a policy of that name; an unknown name with a level is handed on; an unknown name with properties and no level is
refused by the engine itself, as it has no level; an unknown name with `{}`, and `environments`, are dropped: they say
nothing. So every name that could mean something is refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.gates.ground import Ground
from tests.gates.programs import PACK, open_to_all

PROGRAM = open_to_all('Custom(DATABASE, "good", {}, Options(protect=True))\n')
WHERE = "how far a rule is rolled out stands in policies/waivers/rollout.yaml"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"all": "disabled"}, WHERE),
        ({"rules": "advisory"}, f"rules takes no configuration: {WHERE}"),
        ({"rules": {"enforcementLevel": "mandatory", "x": 1}}, f"rules takes no configuration: {WHERE}"),
        ({"rulez": "disabled"}, f"no policy is called rulez: {WHERE}"),
        ({"image-approved-registry": "advisory"}, f"no policy is called image-approved-registry: {WHERE}"),
        ({"rulez": {"x": 1}}, 'invalid enforcement level ""'),
    ],
    ids=str,
)
def test_a_configuration_is_refused(shared_ground: Ground, config: dict[str, Any], says: str) -> None:
    run = shared_ground.preview(PROGRAM, pack=shared_ground.pack(PACK), config=config)
    assert run.code != 0
    assert says in run.text
    assert "Traceback" not in run.text


def test_a_configuration_that_changes_nothing_is_none(shared_ground: Ground) -> None:
    run = shared_ground.preview(PROGRAM, pack=shared_ground.pack(PACK), config={"rules": "mandatory", "rulez": {}})
    assert run.code == 0, run.text


def test_nothing_is_made_of_what_up_refuses(ground: Ground) -> None:
    run = ground.up(open_to_all('Custom(DATABASE, "bad", {})\n'), pack=ground.pack(PACK))
    assert run.code != 0
    assert "stateful-protected: bad" in run.messages()
    assert ground.plugin.made == []
    assert "bad" not in ground.state()


def test_what_is_only_read_is_not_judged_but_the_provider_that_reads_is(ground: Ground) -> None:
    read = 'Custom("scaleway:network/vpc:Vpc", "net", {}, Options(id="fr-par/net"))\n'
    run = ground.preview(open_to_all(read), pack=ground.pack(PACK))
    assert run.messages().startswith("region-allowed: default (pulumi:providers:scaleway): region is not set")
    assert len(run.policies()) == 1
