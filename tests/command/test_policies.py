"""`terrarium policies`: the report says what a gate would do, in every form, and shows no value of any resource."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.automation.events import EngineEvent
from typer.testing import CliRunner

from policies import cases as case_files
from policies.cases import production
from policies.gates.book import Book
from policies.gates.files import Rollout, Waiver
from policies.gates.verdicts import Judge
from policies.rules import UNKNOWN, Resource, Secret, Tier, catalogue
from policies.rules.reading import root
from terrarium.cli import app
from terrarium.errors import EngineFailed, InvalidInput
from terrarium.rules import forms, listing
from terrarium.rules.planned import Planned
from terrarium.rules.report import Report, State, made
from terrarium.rules.sarif import sarif
from terrarium.rules.sources import address
from tests.support.sarif import SCHEMA

TODAY = production().today
SECRET = "s3cr3t-never-shown"  # noqa: S105 - of this test alone


def base(kind: str, called: str, /, **changed: object) -> Resource:
    found = case_files._resource({"base": kind, "name": called}, called)
    properties = case_files._copied(dict(found.properties))
    for path, value in changed.items():
        case_files._put(properties, path.replace("__", "."), value)
    return dataclasses.replace(found, properties=properties)


def waiver(rule: str, resource: str, until: date = TODAY, why: str = "Moves next week") -> Waiver:
    return Waiver(rule=rule, stack="prod", resource=resource, why=why, who="ana", until=until)


def judged(*resources: Resource, book: Book | None = None) -> Report:
    return made(Judge("prod", production(), book or Book()), resources, "abc", "Pulumi.prod.yaml")


def states(report: Report) -> dict[str, State]:
    return {line.rule.id: line.state for line in report.lines}


def test_each_rule_has_its_state_and_only_those_of_the_tier_are_there() -> None:
    open_bucket = base("gcs", "data", publicAccessPrevention="inherited", versioning__enabled=False)
    book = Book(
        rollout={
            "bucket-encrypted": Rollout(mode="off", why="No keys yet"),
            "bucket-tls-uniform": Rollout(mode="audit", why="Announced"),
        },
        waivers=(waiver("bucket-versioned", "data"), waiver("seccomp", "gone")),
    )
    changed = dataclasses.replace(open_bucket, properties={**open_bucket.properties, "uniformBucketLevelAccess": False})
    report = judged(changed, book=book)
    found = states(report)
    assert found["bucket-public-block"] is State.FAILED
    assert found["bucket-versioned"] is State.WAIVED
    assert found["bucket-tls-uniform"] is State.REPORTED
    assert found["bucket-encrypted"] is State.OFF
    assert found["bucket-no-force-destroy"] is State.PASSED
    assert found["image-canonical"] is State.UNREAD
    assert found.keys() == {rule.id for rule in catalogue() if Tier.PRODUCTION in rule.tiers}
    assert sum(report.counts.values()) == len(report.lines)
    assert [stale.waiver.resource for stale in report.stale] == ["gone"]
    assert report.lines[0].state is State.FAILED
    assert "would refuse this stack" in report.verdict


def test_no_rule_passes_for_what_is_not_there() -> None:
    found = {line.rule.id: line for line in judged(Resource("kubernetes:core/v1:ConfigMap", "c")).lines}
    for rule in ("control-plane-acl", "bucket-block-present", "default-deny-netpol", "image-canonical"):
        assert (found[rule].state, found[rule].read) == (State.UNREAD, 0), rule
    assert (found["own-labels"].state, found["own-labels"].read) == (State.PASSED, 1)
    assert found["production-apart"].read is None  # about the stack itself, which is always there


def test_waivers_are_shown_with_how_long_they_hold_and_what_for() -> None:
    def day(days: int) -> date:
        return TODAY + timedelta(days=days)

    book = Book(
        waivers=(
            waiver("bucket-versioned", "data", day(1)),
            waiver("destructive-change", "data"),
            waiver("bucket-public-block", "data", day(-1)),
            waiver("seccomp", "gone", day(100)),
            Waiver(rule="seccomp", stack="test", resource="p", why="w", who="ana", until=TODAY),
        )
    )
    report = judged(base("gcs", "data", versioning__enabled=False, publicAccessPrevention="inherited"), book=book)
    assert [(one.waiver.rule, one.left, one.met) for one in report.waivers] == [
        ("bucket-public-block", "ended 1 day ago", 1),
        ("destructive-change", "ends today", None),
        ("bucket-versioned", "1 day left", 1),
        ("seccomp", "100 days left", 0),
    ]
    page = forms.html(report)
    for said in ('loud">ended 1 day ago', "nothing: take it away", "the guard of up"):
        assert said in page
    assert "  waiver for nothing: seccomp of gone, 100 days left, by ana: take it away" in [*forms.lines(report)]


def test_what_could_not_be_seen_is_not_said_to_pass() -> None:
    bare, hidden = base("pod", "bare"), base("pod", "hidden", spec__containers=Secret(UNKNOWN))
    judge = Judge("dev", dataclasses.replace(production(), tier=Tier.EXPERIMENTATION), Book())
    report = made(judge, [bare, hidden])
    [line] = [line for line in report.lines if line.rule.id == "image-approved-registry"]
    assert line.state is State.UNSEEN
    assert [(one.name, one.path) for one in line.unseen] == [("hidden", "spec.containers")]
    said = "  not seen yet, so let pass: image-approved-registry: hidden (kubernetes:core/v1:Pod): spec.containers"
    assert said in [*forms.lines(report)]
    for page in (forms.html(report), forms.markdown(report)):
        assert "Not seen yet" in page
    # In production it is refused.
    assert states(judged(hidden))["image-approved-registry"] is State.FAILED


def test_at_a_terminal_what_refuses_comes_first() -> None:
    book = Book(waivers=(waiver("bucket-versioned", "data"),))
    bucket = base("gcs", "data", versioning__enabled=False, publicAccessPrevention="inherited")
    summary, denied, waived, unread = forms.lines(judged(bucket, Resource("aws:sqs/queue:Queue", "q"), book=book))
    assert summary.startswith("prod: 2 resources judged; rules: 1 failed, 1 waived, ")
    assert denied.startswith("  denied: bucket-public-block: data (gcp:storage/bucket:Bucket): publicAccess")
    assert waived.startswith("  waived: bucket-versioned: data ")
    assert unread == "  no rule is about: aws:sqs/queue:Queue (1)"


def test_a_waiver_that_has_ended_is_a_failure_and_says_so() -> None:
    book = Book(waivers=(waiver("bucket-versioned", "data", date(2026, 1, 1)),))
    report = judged(base("gcs", "data", versioning__enabled=False), book=book)
    [line] = [line for line in report.failed if line.rule.id == "bucket-versioned"]
    assert "Its waiver ended on 2026-01-01" in line.verdicts[0].message
    assert "ended on 2026-01-01" in forms.html(report)


def test_types_that_no_rule_is_about_are_named() -> None:
    strange = Resource("aws:sqs/queue:Queue", "q")
    report = judged(strange, base("pod", "p"), Resource("pulumi:providers:aws", "a", {"region": "eu-west-3"}))
    assert [seen.type for seen in report.unread] == ["aws:sqs/queue:Queue"]
    assert "aws:sqs/queue:Queue" in forms.markdown(report)
    assert "image-canonical" in next(seen.rules for seen in report.coverage if seen.type.endswith(":Pod"))


def test_what_is_not_in_force_here_covers_nothing() -> None:
    key, bucket = Resource("aws:iam/accessKey:AccessKey", "k"), base("gcs", "data")
    assert next(seen.rules for seen in judged(key).coverage) == ("no-static-keys",)
    judge = Judge("dev", dataclasses.replace(production(), tier=Tier.EXPERIMENTATION), Book())
    assert next(seen.rules for seen in made(judge, [key]).coverage) == ()
    off = Book(rollout={"bucket-versioned": Rollout(mode="off", why="No room")})
    assert "bucket-versioned" not in next(seen.rules for seen in judged(bucket, book=off).coverage)


def test_sarif_names_rules_that_are_there_and_marks_what_is_waived() -> None:
    book = Book(
        waivers=(waiver("bucket-versioned", "data"),),
        rollout={"bucket-public-block": Rollout(mode="audit", why="Announced")},
    )
    bucket = base("gcs", "data", versioning__enabled=False, publicAccessPrevention="inherited")
    document = sarif(judged(bucket, base("pod", "p", spec__containers=[{"name": "c", "image": "a"}]), book=book))
    jsonschema.validate(document, SCHEMA)
    [run] = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"].startswith(result["ruleId"])
    hashes = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(hashes)) == len(hashes) > 2
    assert {result["ruleId"] for result in run["results"] if "suppressions" in result} == {"bucket-versioned"}
    assert {result["ruleId"] for result in run["results"] if result["level"] == "note"} == {"bucket-public-block"}


@given(st.text(min_size=1, max_size=60).filter(str.isprintable))
def test_what_people_wrote_is_escaped(text: str) -> None:
    book = Book(waivers=(waiver("bucket-versioned", "data", why=f"<script>{text}|`"),))
    report = judged(base("gcs", "data", versioning__enabled=False), book=book)
    assert "<script>" not in forms.html(report)
    page = forms.markdown(report)
    assert "<script>" not in page
    rows = [row for row in page.splitlines() if row.startswith("| bucket-versioned")]
    assert [len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows] == [7]
    assert json.loads(forms.FORMS["json"](report)) == json.loads(json.dumps(forms.document(report)))


@given(st.text(max_size=40))
def test_no_value_is_shown(text: str) -> None:
    value = f"{SECRET}{text}"
    bucket = base("gcs", "data", publicAccessPrevention=Secret(value), versioning__enabled=value, name=value)
    container = {"name": value, "image": f"{value}/x:latest", "env": [{"name": value, "value": value}]}
    pod = base("pod", "p", spec__containers=[container], spec__nodeName=value, metadata__labels={"a": value})
    role = Resource("kubernetes:rbac.authorization.k8s.io/v1:Role", "r", {"rules": [{"verbs": [value, "*"]}]})
    report = judged(bucket, pod, role)
    assert report.failed
    assert not [form for form, write in forms.FORMS.items() if SECRET in write(report)]
    assert SECRET not in "".join(forms.lines(report))


def step(op: str, name: str, inputs: dict[str, Any]) -> EngineEvent:
    """Return the engine's event of a step, as the Automation API has it from the engine's own text."""
    urn = f"urn:pulumi:prod::terrarium::a$aws:s3/bucket:Bucket::{name}"
    kind, parent = "aws:s3/bucket:Bucket", "urn:pulumi:prod::terrarium::pulumi:pulumi:Stack::terrarium-prod"
    provider = "urn:pulumi:prod::terrarium::pulumi:providers:aws::own::0123"
    common = {"type": kind, "urn": urn, "provider": provider}
    new = {**common, "id": "", "parent": parent, "custom": True, "protect": True, "inputs": inputs, "outputs": {}}
    metadata = {**common, "op": op, "new": new, "keys": [], "diffs": [], "detailedDiff": {}, "logical": True}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "resourcePreEvent": {"metadata": metadata}})


def planned(*events: EngineEvent) -> tuple[Resource, ...]:
    found = Planned()
    for number, event in enumerate(events):
        event.sequence = number
        found(event)
    return found.resources


def test_a_plan_of_which_a_part_was_lost_is_not_judged() -> None:
    found = Planned()
    for number in (0, 2):
        event = step("create", f"a{number}", {})
        event.sequence = number
        found(event)
    with pytest.raises(EngineFailed, match="1 of the engine's events could not be read"):
        assert found.resources


def test_the_engines_plan_is_read_with_its_marks() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    inputs = {"bucket": unknown, "tags": {"a": secret}, "list": [unknown, 1], "acl": "of [secret]", "policy": secret}
    [found] = planned(step("create", "data", inputs))
    assert (found.type, found.name, found.options.provider) == ("aws:s3/bucket:Bucket", "data", "own")
    assert found.options.protect
    assert found.options.parent.endswith("::terrarium-prod")
    node = root(found)
    assert node.get("bucket").unknown
    assert [one.value for one in node.get("list").entries()] == [UNKNOWN, 1]
    # What the plan does not show is unknown to the rules, and not absent.
    for path in (("tags", "a"), ("acl",), ("policy",), ("policy", "Statement")):
        hidden = node.get(*path)
        assert hidden.unknown
        assert hidden.hidden


def test_what_would_be_there_is_judged_once() -> None:
    there = ("same", "create", "update", "import", "create-replacement")
    gone = ("delete", "delete-replaced", "replace", "read", "refresh", "discard", "remove-pending-replace")
    assert [one.name for one in planned(*(step(op, op, {}) for op in (*there, *gone)))] == [*there]
    assert len(planned(step("create-replacement", "a", {}), step("delete-replaced", "a", {}))) == 1


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["policies", *arguments])
    assert result.exit_code == code or (code and result.exception is not None), result.output
    return result.output


def test_rules_are_listed_and_narrowed() -> None:
    listed = json.loads(run("list", "--json"))["rules"]
    assert len(listed) == len(catalogue())
    narrow = json.loads(run("list", "--json", "--tier", "production", "--severity", "critical", "--topic", "images"))
    assert {row["id"] for row in narrow["rules"]} == {"image-approved-registry", "image-evidence"}
    states_of = {row["id"]: row["state"] for row in listed}
    assert states_of["deploy-attested"] == "only reports"
    assert states_of["image-canonical"] == "denies"
    assert "image-canonical" in run("list")


def test_how_far_a_rule_is_rolled_out_is_said() -> None:
    later = Rollout.model_validate({"mode": "deny", "from": TODAY + timedelta(days=1), "why": "Announced"})
    begun = later.model_copy(update={"from_": TODAY})
    modes = (None, later, begun, Rollout(mode="audit", why="Old images"), Rollout(mode="off", why="Not here"))
    said = [listing.rolled_out(mode, TODAY) for mode in modes]
    assert said == ["denies", f"denies from {later.from_}", "denies", "only reports", "off"]


def test_waivers_of_a_rule_are_counted_while_they_hold_and_told_when_they_have_ended() -> None:
    rule = next(rule for rule in catalogue() if rule.id == "seccomp")
    ended = waiver("seccomp", "old", TODAY - timedelta(days=1))
    book = Book(rollout={"seccomp": Rollout(mode="audit", why="Old")}, waivers=(waiver("seccomp", "p"), ended))
    told = listing.everything(rule, book, TODAY)
    assert told["waived"] == 1
    lines = [*listing.in_lines(told)]
    assert ("today", "only reports: Old") in lines
    assert [label for label, text in lines if " of prod until " in text] == ["waived", "waiver, ended"]


def test_a_rule_is_explained_by_its_cases() -> None:
    told = json.loads(run("explain", "image-canonical", "--json"))
    assert told["gates"] == ["preview", "program", "cluster"]
    assert told["remedy"]
    assert told["passes"]
    assert told["fails"]
    assert told["whereNothingIsSaid"]
    assert told["reason"] in run("explain", "image-canonical")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("EKS.1", "https://docs.aws.amazon.com/securityhub/latest/userguide/eks-controls.html#eks-1"),
        ("EKS 4.2.1", None),
        ("CVE-2020-8554", "https://www.cve.org/CVERecord?id=CVE-2020-8554"),
        ("kyverno #16477", "https://github.com/kyverno/kyverno/issues/16477"),
        ("own (Google Cloud)", None),
    ],
)
def test_sources_are_linked_where_their_name_tells_the_place(source: str, place: str | None) -> None:
    assert address(source) == place
    assert any(source in rule.sources for rule in catalogue())


def test_an_unknown_rule_or_topic_is_met_with_the_nearest() -> None:
    for arguments, near in (
        (("explain", "image-canonicle"), "image-canonical"),
        (("list", "--topic", "image"), "images"),
    ):
        result = CliRunner().invoke(app, ["policies", *arguments])
        assert f"did you mean `{near}`" in str(result.exception)


def test_a_report_that_could_not_be_written_is_refused_before_the_engine_is_asked(tmp_path: Path) -> None:
    for arguments, says in (
        (("--output", str(tmp_path / "no" / "page.html")), "is no folder"),
        (("--format", "md", "--json"), "exclude each other"),
    ):
        result = CliRunner().invoke(app, ["policies", "report", "dev", *arguments])
        assert isinstance(result.exception, InvalidInput)
        assert says in str(result.exception)


def test_a_stack_that_is_not_there_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: terrarium\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["policies", "check", "nowhere"])
    assert "no stack `nowhere`" in str(result.exception)
