# ruff: noqa: E501 - a table of bad input is read by its columns
"""Bad input: every problem in one message, each with its file, line, key and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from textwrap import dedent, indent
from typing import Any

import pytest

from components.settings.models import EnvironmentSettings
from components.settings.problems import Problem

HEAD = """\
config:
  pulumi:disable-default-providers: ["*"]
  terrarium:environment:
    project: churn
    name: dev
    tier: experimentation
    cloud:
      kubernetes: {context: test, platform: shared}
"""
"""Eight lines; what a test adds begins on line 9."""


def _with(project: Any, added: str, head: str = HEAD) -> list[tuple[int | None, str, str]]:
    project.write("Pulumi.dev.yaml", head + indent(dedent(added), "    "))
    return [
        (p.place.line if p.place else None, p.key.removeprefix("terrarium:environment."), p.message)
        for p in project.problems()
    ]


def test_a_valid_stack_is_declared_with_what_it_inherits(project: Any) -> None:
    settings = project.declare().settings
    assert isinstance(settings, EnvironmentSettings)
    assert (settings.id, settings.owner, settings.network.egress) == ("churn-dev", "team@example.org", "open")
    assert project.declare().adapter.platform == "shared"


@pytest.mark.parametrize(
    ("added", "line", "key", "says"),
    [
        ("ownr: me", 9, "ownr", "unknown key; did you mean `owner`? Allowed: buckets, budget, ci, cloud, container"),
        ("quota:\n  cpus: 1", 10, "quota.cpus", "did you mean `cpu`? Allowed: borrow_percent, cpu, gpu, memory, pods, storage, volumes"),
        ("network:\n  cidr: 10.64.0.1/20", 10, "network.cidr", "the network is 10.64.0.0/20"),
        ("network:\n  cidr: office", 10, "network.cidr", "is not a network in CIDR form, such as 10.64.0.0/20"),
        ("network:\n  egress: closed", 10, "network.egress", "must be 'open' or 'listed'"),
        ("people:\n  members: churn", 10, "people.members", "must be a list, such as [first, second]"),
        ("people:\n  members:\n    - {a: b}", 10, "people.members.0", "must be text"),
        ("people:\n  members: [a, null]", 10, "people.members.1", "must be text"),
        ("people:\n  members: ['system:authenticated']", 10, "people.members.0", "which is Kubernetes' own"),
        ("people:\n  readers: [a, ' b']", 10, "people.readers.1", "begins or ends with a blank"),
        ("people:\n  readers: ['b ']", 10, "people.readers.0", "begins or ends with a blank"),
        ("people: [a]", 9, "people", "must hold `key: value` lines"),
        ("owner: {a: b}", 9, "owner", "must be text"),
        ("owner: ''", 9, "owner", "must not be empty"),
        ("owner: " + "x" * 201, 9, "owner", "must have at most 200 characters"),
        ('owner: "a\\nb"', 9, "owner", "holds a line break"),
        ("cost_centre: -x-", 9, "cost_centre", "starting and ending with a letter or digit"),
        ("quota:\n  gpu: 1.5", 10, "quota.gpu", "must be a whole number"),
        ("quota:\n  gpu: many", 10, "quota.gpu", "must be a whole number"),
        ("quota:\n  gpu: -1", 10, "quota.gpu", "must be 0 or more"),
        ("quota:\n  gpu: true", 10, "quota.gpu", "must be a number, not true or false"),
        ("quota:\n  cpu: lots", 10, "quota.cpu", "is not a Kubernetes quantity, such as 500m, 4 or 64Gi"),
        ("quota:\n  cpu: 9" + "0" * 30, 10, "quota.cpu", "more than Kubernetes can count"),
        ("quota:\n  cpu: null", 10, "quota.cpu", "is missing"),
        ("network:\n  egress_to:\n    Web: {cidr: 10.0.0.0/8, ports: [1], why: x}", 11, "network.egress_to.Web", "lower-case letters"),
        ("network:\n  egress_to:\n    web: {cidr: 169.254.0.0/16, ports: [1], why: x}", 11, "network.egress_to.web.cidr", "machine credentials"),
        ("network:\n  egress_to:\n    web: {cidr: 10.0.0.0/8, ports: [70000], why: x}", 11, "network.egress_to.web.ports.0", "must be 65535 or less"),
        ("network:\n  egress_to:\n    web: {cidr: 10.0.0.0/8, ports: [], why: x}", 11, "network.egress_to.web.ports", "at least 1 entry"),
        ("network:\n  egress_to:\n    web: {cidr: 10.0.0.0/8, ports: [1]}", 11, "network.egress_to.web.why", "is missing"),
    ],
)  # fmt: skip
def test_one_wrong_value_is_one_problem_with_its_line_and_what_is_allowed(
    project: Any, added: str, line: int, key: str, says: str
) -> None:
    [(at, named, message)] = _with(project, added)
    assert (at, named) == (line, key)
    assert says in message


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("tier: experimentation", "tier: staging", "tier", "must be 'experimentation', 'testing' or 'production'"),
        ("tier: experimentation", "tier: [testing]", "tier", "must be 'experimentation', 'testing' or 'production'"),
        ("tier: experimentation", "tier: null", "tier", "neither the stack file nor organisation.yaml gives it"),
        ("name: dev", "name: " + "d" * 21, "name", "has 21 characters; an environment or platform takes 1 to 20"),
        ("name: dev", "name: my-dev", "name", "no `-`"),
        ("project: churn", "project: Churn", "project", "lower-case letters"),
        ("project: churn", "project: [churn]", "project", "must be text"),
        ("project: churn", "project: " + "c" * 33, "project", "takes 1 to 32"),
        ("kubernetes:", "kubernets:", "cloud", "unknown cloud `kubernets`; did you mean `kubernetes`? Allowed: aws, gcp, kubernetes"),
        ("context: test", "kontext: test", "cloud.kubernetes.kontext", "did you mean `context`?"),
        ("kubernetes: {context: test, platform: shared}", "kubernetes: text", "cloud.kubernetes", "must hold `key: value` lines"),
        ("{context: test, platform: shared}", "{context: test}\n      aws: {region: x}", "cloud", "name exactly one"),
    ],
)  # fmt: skip
def test_a_wrong_value_in_what_every_stack_has_is_refused(
    project: Any, old: str, new: str, key: str, says: str
) -> None:
    assert old in HEAD
    found = _with(project, "", HEAD.replace(old, new))
    assert any(named == key and says in message for _, named, message in found), found
    assert all(line is not None for line, _, _ in found)


def test_another_clouds_settings_are_refused_in_a_clouds_block(project: Any, install_cloud: Callable[[], None]) -> None:
    install_cloud()
    found = _with(project, "", HEAD.replace("kubernetes: {context: test, platform: shared}", "kubernetes: {region: x}"))
    assert [(line, key) for line, key, _ in found] == [(8, "cloud.kubernetes.context"), (8, "cloud.kubernetes.region")]


def test_a_cloud_from_outside_the_tree_is_usable_and_speaks_for_itself(
    project: Any, install_cloud: Callable[[], None]
) -> None:
    install_cloud()
    on_meadow = HEAD.replace("kubernetes: {context: test, platform: shared}", "meadow: {region: north}")
    project.write("Pulumi.dev.yaml", on_meadow)
    assert project.declare().adapter.settings.region == "north"
    [(line, key, message)] = _with(project, "", on_meadow.replace("north", "moon"))
    assert (line, key, message) == (8, "cloud.meadow.region", "no cluster can be had there")


def test_every_problem_is_in_one_message(project: Any) -> None:
    project.write(
        "organisation.yaml", "organisation: Example\nteam: x\ndefaults:\n  environment: {owner: [], cost_centre: a}\n"
    )
    found = _with(
        project, "ownr: x\nquota: {cpu: lots}\npeople: {members: x}\n", HEAD.replace("tier: exp", "tier: Exp")
    )
    assert len(found) == 6
    assert {(p.place.file, p.place.line, p.key) for p in project.problems() if p.place} == {
        ("organisation.yaml", 2, "team"),
        ("organisation.yaml", 4, "defaults.environment.owner"),
        ("Pulumi.dev.yaml", 6, "terrarium:environment.tier"),
        ("Pulumi.dev.yaml", 9, "terrarium:environment.ownr"),
        ("Pulumi.dev.yaml", 10, "terrarium:environment.quota.cpu"),
        ("Pulumi.dev.yaml", 11, "terrarium:environment.people.members"),
    }


def test_both_files_are_refused_at_once_when_neither_is_yaml(project: Any) -> None:
    project.write("organisation.yaml", "a: [\n")
    project.write("Pulumi.dev.yaml", "a: 1\na: 2\n")
    assert {p.place.file for p in project.problems() if p.place} == {"organisation.yaml", "Pulumi.dev.yaml"}


def test_the_message_for_people_counts_and_places_the_problems(project: Any) -> None:
    project.write("Pulumi.dev.yaml", HEAD + "    ownr: x\n    quota: {cpu: lots}\n")
    with pytest.raises(Exception, match="problems") as refused:
        project.declare()
    assert str(refused.value).splitlines()[0] == "stack dev: 2 problems, nothing was changed"
    assert "  Pulumi.dev.yaml:9  terrarium:environment.ownr\n      unknown key; did you mean `owner`?" in str(
        refused.value
    )


def _only(problems: list[Problem]) -> tuple[str, str, str]:
    [problem] = problems
    return str(problem.place), problem.key, problem.message


def test_a_wrong_inherited_value_is_placed_where_it_was_written(project: Any) -> None:
    project.write(
        "organisation.yaml",
        "organisation: E\ndefaults:\n  environment:\n    owner: o\n    cost_centre: c\n    quota:\n      cpu: 400Ei\n",
    )
    # Once, although every stack inherits it, and by the key that stands there.
    place, key, message = _only(project.problems())
    assert (place, key) == ("organisation.yaml:7", "defaults.environment.quota.cpu")
    assert "more than Kubernetes can count" in message


def test_a_stack_of_two_kinds_is_refused(project: Any) -> None:
    project.write("Pulumi.dev.yaml", HEAD + "  terrarium:platform: {name: p}\n")
    place, key, message = _only(project.problems())
    assert (place, key) == ("Pulumi.dev.yaml:1", "config")
    assert (
        "exactly one of terrarium:environment, terrarium:platform, terrarium:lake; "
        "found terrarium:environment and terrarium:platform" in message
    )


@pytest.mark.parametrize("text", ["", "config: {}\n", "config:\n", "config: 3\n", "config: {aws:region: x}\n"])
def test_a_stack_of_no_kind_is_refused(project: Any, text: str) -> None:
    project.write("Pulumi.dev.yaml", text)
    assert "found none" in _only(project.problems())[2]


def test_an_unknown_key_of_ours_is_refused_with_the_rest(project: Any) -> None:
    project.write("Pulumi.dev.yaml", HEAD + "    ownr: x\n  terrarium:platfrom: {}\n")
    assert [(str(p.place), p.key) for p in project.problems()] == [
        ("Pulumi.dev.yaml:10", "terrarium:platfrom"),
        ("Pulumi.dev.yaml:9", "terrarium:environment.ownr"),
    ]
    assert "did you mean `terrarium:platform`?" in project.problems()[0].message


@pytest.mark.parametrize("block", ["null", "text", "[a]", "3"])
def test_a_block_that_holds_no_keys_is_refused(project: Any, block: str) -> None:
    project.write("Pulumi.dev.yaml", f"config:\n  terrarium:environment: {block}\n")
    assert _only(project.problems()) == ("Pulumi.dev.yaml:2", "terrarium:environment", "must hold `key: value` lines")


def test_an_unknown_stack_is_refused_with_those_there_are(project: Any) -> None:
    assert "did you mean `dev`? Allowed: dev" in _only(project.problems("dve"))[2]


def test_a_stack_of_the_fleet_is_found(project: Any) -> None:
    project.write("environments/churn/Pulumi.churn-x.yaml", HEAD.replace("dev", "x"))
    assert project.declare("churn-x").settings.name == "x"


SECRET = "hunter2-in-the-clear"  # noqa: S105 - planted
CIPHER = "v1:hunter2-cipher"


@pytest.mark.parametrize(
    ("added", "key"),
    [
        (f"owner:\n  secure: {CIPHER}", "owner"),
        (f"quota:\n  cpu:\n    secure: {CIPHER}", "quota.cpu"),
        (f"people:\n  members:\n    - secure: {CIPHER}", "people.members.0"),
        (f"network:\n  egress_to:\n    secure: {CIPHER}", "network.egress_to"),
        (f"passwrd:\n  secure: {CIPHER}", "passwrd"),
    ],
)
def test_a_secret_among_the_settings_is_refused_once_and_never_shown(project: Any, added: str, key: str) -> None:
    project.write("Pulumi.dev.yaml", HEAD + indent(added, "    ") + "\n")
    # The engine hands the same block over with the secret in the clear.
    decrypted = project.problems(
        config={"environment": {"project": "churn", "cost_centre": f"!{SECRET}", "name": SECRET}}
    )
    for problems in (project.problems(), decrypted):
        [problem] = problems
        assert problem.key == f"terrarium:environment.{key}"
        assert "a secret can't stand among the settings" in problem.message
        assert problem.place
        assert problem.place.line
        assert "hunter2" not in str(problem.as_dict())


def test_a_whole_block_that_is_a_secret_is_refused(project: Any) -> None:
    project.write("Pulumi.dev.yaml", f"config:\n  terrarium:environment:\n    secure: {CIPHER}\n")
    problems = project.problems(config={"environment": SECRET})
    assert [p.key for p in problems] == ["terrarium:environment"]


@pytest.mark.parametrize(
    "where", ["pasword: {}", "quota: {{secret: {}}}", "owner: [{}]", "people: {}", "quota: {{gpu: {}}}"]
)
def test_a_value_under_a_wrong_key_or_of_a_wrong_type_is_never_shown(project: Any, where: str) -> None:
    project.write("Pulumi.dev.yaml", HEAD + f"    {where.format(SECRET)}\n")
    with pytest.raises(Exception, match="problem") as refused:
        project.declare()
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(refused.value)
    assert refused.value.__cause__ is None


def test_what_the_engine_gives_wins_over_the_file(project: Any) -> None:
    given = {"project": "churn", "name": "dev", "tier": "testing", "cloud": {"kubernetes": {"context": "other"}}}
    declared = project.declare(config={"environment": given})
    assert declared.settings.tier == "testing"
    assert declared.adapter.cluster_id == "context other"


def test_the_organisations_layers_are_laid_in_order(project: Any) -> None:
    project.write(
        "organisation.yaml",
        """\
        organisation: E
        defaults: {environment: {owner: defaults, cost_centre: defaults, quota: {pods: 1, volumes: 1, gpu: 1}}}
        tiers: {experimentation: {quota: {pods: 2, volumes: 2}, owner: tier}}
        projects: {churn: {quota: {pods: 3}, owner: project}}
        """,
    )
    declared = project.declare()
    quota = declared.settings.quota
    assert (quota.gpu, quota.volumes, quota.pods, declared.settings.owner) == (1, 2, 3, "project")
    assert [o.layer for o in declared.origins["quota", "pods"]] == [
        "tier experimentation", "organisation", "tier experimentation of the organisation", "project churn",
    ]  # fmt: skip


def test_an_allowance_of_the_organisation_can_be_changed_and_taken_back(project: Any) -> None:
    allowance = "{cidr: 10.0.0.0/8, ports: [443], why: x}"
    project.write(
        "organisation.yaml",
        f"organisation: E\ndefaults: {{environment: {{owner: o, cost_centre: c, network: {{egress_to: {{a: {allowance}, b: {allowance}}}}}}}}}\n"
        "projects: {churn: {network: {egress_to: {b: null, a: {ports: [80]}}}}}\n",
    )
    assert {k: a.ports for k, a in project.declare().settings.network.egress_to.items()} == {"a": (80,)}


@pytest.mark.parametrize("written", ["2027-01-31", '"2027-01-31"', "2027-01-31T00:00:00Z"])
def test_a_day_is_read_as_people_and_engines_write_it(project: Any, written: str) -> None:
    project.write("Pulumi.dev.yaml", f"{HEAD}    expires: {written}\n")
    settings = project.declare().settings
    assert isinstance(settings, EnvironmentSettings)
    assert settings.expires == date(2027, 1, 31)


@pytest.mark.parametrize("written", ["20270131", "true", "tomorrow", '"2027-02-31"', "2027-01-31T12:00:00Z", "[1]"])
def test_what_is_no_day_is_refused(project: Any, written: str) -> None:
    [(line, key, _)] = _with(project, f"expires: {written}")
    assert (line, key) == (9, "expires")
