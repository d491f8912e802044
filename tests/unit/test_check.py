"""What only several files together show, and that a bad file hides nothing of the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.settings.check import check_project

ROOT = Path(__file__).parents[2]
PROVIDERS = 'pulumi:disable-default-providers: ["*"]'


def _environment(name: str, cloud: str, *, tier: str = "experimentation", cidr: str | None = None) -> str:
    network = f"\n    network:\n      cidr: {cidr}" if cidr else ""
    return (
        f"config:\n  {PROVIDERS}\n  terrarium:environment:\n    project: churn\n    name: {name}\n    tier: {tier}\n"
        f"    cloud: {{{cloud}}}{network}\n"
    )


def _platform(name: str, cloud: str, tiers: str = "[experimentation, testing]") -> str:
    return (
        f"config:\n  {PROVIDERS}\n  terrarium:platform:\n    name: {name}\n    tiers: {tiers}\n    cloud: {{{cloud}}}\n"
    )


def _found(project: Any, stacks: list[str] | None = None) -> list[tuple[str, str, str]]:
    report = check_project(project.root, stacks)
    assert report.ok == (not report.problems)
    return [(str(p.place), p.key.partition(".")[2] or p.key, p.message) for p in report.problems]


MEADOW = "meadow: {region: north}"
SLICE = "kubernetes: {context: test, platform: shared}"


def test_the_stacks_of_this_repository_have_no_problem() -> None:
    report = check_project(ROOT)
    assert report.problems == ()
    assert {"organisation.yaml", "Pulumi.dev.yaml", "Pulumi.test.yaml", "Pulumi.prod.yaml"} <= set(report.checked)


def test_a_check_of_nothing_is_no_success(tmp_path: Path) -> None:
    report = check_project(tmp_path)
    assert report.checked == ()
    assert not report.ok


def test_every_bad_file_is_told_in_order_and_hides_no_other(project: Any) -> None:
    project.write("Pulumi.a.yaml", "a: [\n")
    project.write("Pulumi.b.yaml", _environment("B", SLICE))
    project.write("Pulumi.c.yaml", "config: {}\n")
    project.write("organisation.yaml", "organisation: E\nfoo: 1\ndefaults: {environment: {owner: o, cost_centre: c}}\n")
    places = [place for place, _, _ in _found(project)]
    assert places == ["Pulumi.a.yaml:2", "Pulumi.b.yaml:5", "Pulumi.c.yaml:1", "Pulumi.c.yaml:1", "organisation.yaml:2"]
    assert len(check_project(project.root).checked) == 5


def test_default_providers_must_be_off(project: Any) -> None:
    project.write("Pulumi.dev.yaml", _environment("dev", SLICE).replace('["*"]', "[aws]"))
    [(place, key, message)] = _found(project)
    assert (place, key) == ("Pulumi.dev.yaml:2", "pulumi:disable-default-providers")
    assert '`pulumi:disable-default-providers: ["*"]` under `config`' in message


def test_overlapping_ranges_name_both_places_and_the_next_free_one(
    project: Any, install_cloud: Callable[[], None]
) -> None:
    install_cloud()
    project.write("Pulumi.a.yaml", _environment("a", MEADOW, cidr="10.64.0.0/20"))
    project.write("Pulumi.b.yaml", _environment("b", MEADOW, cidr="10.64.8.0/21"))
    project.write("Pulumi.c.yaml", _environment("c", MEADOW, cidr="10.64.16.0/20"))
    [(place, key, message)] = _found(project)
    assert (place, key) == ("Pulumi.b.yaml:9", "network.cidr")
    assert message == (
        "10.64.8.0/21 overlaps 10.64.0.0/20 of stack a, Pulumi.a.yaml:9; the next free /21 is 10.64.32.0/21"
    )


def test_a_range_outside_the_organisations_is_refused_with_one_inside(
    project: Any, install_cloud: Callable[[], None]
) -> None:
    install_cloud()
    project.write("Pulumi.a.yaml", _environment("a", MEADOW, cidr="192.168.0.0/20"))
    [(place, _, message)] = _found(project)
    assert place == "Pulumi.a.yaml:9"
    assert message == (
        "192.168.0.0/20 is outside the organisation's range 10.64.0.0/10; the next free /20 is 10.64.0.0/20"
    )


def test_two_stacks_of_one_environment_or_one_platform_are_refused(project: Any) -> None:
    project.write("Pulumi.twin.yaml", _environment("dev", SLICE))
    project.write("Pulumi.p.yaml", _platform("shared", "kubernetes: {context: test}"))
    project.write("Pulumi.q.yaml", _platform("shared", "kubernetes: {context: other}"))
    messages = {place: message for place, key, message in _found(project) if key == "name"}
    assert set(messages) == {"Pulumi.twin.yaml:5", "Pulumi.q.yaml:4"}
    assert "environment churn-dev is already declared by stack dev, Pulumi.dev.yaml:5" in messages["Pulumi.twin.yaml:5"]
    assert "platform shared is already declared by stack p, Pulumi.p.yaml:4" in messages["Pulumi.q.yaml:4"]


@pytest.mark.parametrize(
    ("platform", "key", "says"),
    [
        (_platform("shared", "kubernetes: {context: test}", "[testing]"), "tier", "takes testing, not experimentation"),
        (
            _platform("shared", "kubernetes: {context: other}"),
            "cloud.kubernetes",
            "is not the cluster of platform shared",
        ),
        (_platform("shared", MEADOW), "cloud.kubernetes", "platform shared is on meadow"),
    ],
)
def test_a_platform_that_does_not_fit_is_refused(
    platform: str, key: str, says: str, project: Any, install_cloud: Callable[[], None]
) -> None:
    install_cloud()
    project.write("Pulumi.p.yaml", platform)
    [(place, named, message)] = _found(project)
    assert place.startswith("Pulumi.dev.yaml:")
    assert named == key
    assert says in message
    assert "stack p, Pulumi.p.yaml:" in message


def test_a_platform_that_fits_or_is_declared_elsewhere_is_no_problem(project: Any) -> None:
    assert _found(project) == []
    project.write("Pulumi.p.yaml", _platform("shared", "kubernetes: {context: test}"))
    assert _found(project) == []


def test_a_slip_in_the_platforms_name_is_found_by_its_cluster(project: Any) -> None:
    project.write("Pulumi.p.yaml", _platform("shared", "kubernetes: {context: test}"))
    project.write("Pulumi.a.yaml", _environment("a", "kubernetes: {context: test, platform: sharde}"))
    [(place, key, message)] = _found(project)
    assert (place.partition(":")[0], key) == ("Pulumi.a.yaml", "cloud.kubernetes.platform")
    assert "is the cluster of platform shared, not sharde" in message


def test_two_owners_of_one_cluster_are_refused(project: Any) -> None:
    project.write("Pulumi.p.yaml", _platform("shared", "kubernetes: {context: test}"))
    project.write("Pulumi.x.yaml", _environment("x", "kubernetes: {context: test}"))
    [(place, key, message)] = _found(project)
    assert (place, key) == ("Pulumi.x.yaml:7", "cloud.kubernetes")
    assert "context test already belongs to stack p, Pulumi.p.yaml:6" in message


@pytest.mark.parametrize("cloud", ["context: own, platform: shared", "context: test, platform: churn-x"])
def test_an_environment_that_owns_its_cluster_takes_no_slices(cloud: str, project: Any) -> None:
    project.write("Pulumi.x.yaml", _environment("x", "kubernetes: {context: own}"))
    project.write("Pulumi.y.yaml", _environment("y", f"kubernetes: {{{cloud}}}"))
    [(place, key, message)] = _found(project)
    assert (place, key) == ("Pulumi.y.yaml:7", "cloud.kubernetes")
    assert "environment churn-x has its cluster to itself and takes no slices (stack x, Pulumi.x.yaml:7)" in message


@pytest.mark.parametrize("kind", ["members", "readers", "promoters"])
def test_nobodys_group_deploys_to_production(kind: str, project: Any) -> None:
    own = _environment("prod", "kubernetes: {context: prod}", tier="production")
    project.write("Pulumi.prod.yaml", own + "    people: {automation: [ci]}\n")
    project.write("Pulumi.x.yaml", _environment("x", SLICE) + f"    people: {{{kind}: [team, ci]}}\n")
    [(place, key, message)] = _found(project)
    assert (place, key) == ("Pulumi.x.yaml:8", f"people.{kind}")
    assert "`ci` deploys to production as people.automation of stack prod, Pulumi.prod.yaml:8" in message


def test_people_of_testing_may_promote_to_production_and_ci_may_deploy_everywhere(project: Any) -> None:
    own = _environment("prod", "kubernetes: {context: prod}", tier="production")
    project.write("Pulumi.prod.yaml", own + "    people: {automation: [ci], promoters: [team]}\n")
    project.write("Pulumi.x.yaml", _environment("x", SLICE) + "    people: {members: [team], automation: [ci]}\n")
    foreign = _environment("y", SLICE).replace("project: churn", "project: fraud")
    project.write("Pulumi.y.yaml", foreign + "    people: {members: [ci]}\n")
    assert _found(project) == []


def test_two_files_of_one_stack_are_refused(project: Any) -> None:
    project.write("environments/churn/Pulumi.dev.yaml", _environment("y", SLICE))
    [(place, key, message)] = _found(project)
    assert (place, key) == ("environments/churn/Pulumi.dev.yaml", "file")
    assert "already has a file, Pulumi.dev.yaml" in message


OWN = "kubernetes: {context: o}"
ON_Q = "kubernetes: {context: o, platform: q}"
CONFLICTS: dict[str, tuple[str, str]] = {
    "one name": (_environment("x", SLICE), _environment("x", SLICE)),
    "one cluster": (_environment("x", OWN), _environment("y", OWN)),
    "one range": (_environment("x", MEADOW, cidr="10.64.0.0/20"), _environment("y", MEADOW, cidr="10.64.0.0/21")),
    "a platform for others": (_platform("q", OWN, "[testing]"), _environment("x", ON_Q)),
    "a platform elsewhere": (_platform("q", "kubernetes: {context: p}"), _environment("x", ON_Q)),
    "an owner": (_environment("x", OWN), _environment("y", ON_Q)),
    "people of production": (
        _environment("x", OWN, tier="production") + "    people: {automation: [ci]}\n",
        _environment("y", SLICE) + "    people: {members: [ci]}\n",
    ),
}


@pytest.mark.parametrize("conflict", CONFLICTS)
def test_a_conflict_is_told_to_every_stack_that_is_part_of_it_and_to_no_other(
    conflict: str, project: Any, install_cloud: Callable[[], None]
) -> None:
    install_cloud()
    for stack, text in zip("ab", CONFLICTS[conflict], strict=True):
        project.write(f"Pulumi.{stack}.yaml", text)
    [told] = _found(project)
    assert _found(project, ["a"]) == _found(project, ["b"]) == _found(project, ["a", "b"]) == [told]
    assert _found(project, ["dev"]) == []


def test_a_chosen_stack_is_told_of_without_the_others(project: Any) -> None:
    project.write("Pulumi.bad.yaml", "a: [\n")
    assert _found(project, ["dev"]) == []
    assert len(_found(project, ["bad"])) == 1
    [(_, key, message)] = _found(project, ["dve"])
    assert key == "stack"
    assert "did you mean `dev`? Allowed: bad, dev" in message
