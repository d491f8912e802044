"""Security's files: what is wrong in them is all said at once, and what becomes of a violation is what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from components.settings.problems import InvalidSettings
from policies.cases import production
from policies.gates import book
from policies.gates.verdicts import Judge, Standing, Verdict
from policies.rules import Resource

TODAY = date(2026, 11, 28)
DAY = timedelta(days=1)
RULE = "stateful-protected"
RESOURCE = Resource("postgresql:index/database:Database", "it")
WAIVER = "waivers: [{{rule: {rule}, stack: s, resource: it, why: x, who: y, until: {until}}}]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of security's files in an empty checkout."""
    made = tmp_path / book.FOLDER
    made.mkdir(parents=True)
    return made


def _read(folder: Path, **files: str) -> book.Book:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return book.read(folder.parents[1], TODAY)


def _problems(folder: Path, **files: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidSettings) as caught:
        _read(folder, **files)
    return [(f"{problem.place} {problem.key}", problem.message) for problem in caught.value.problems]


def _verdict(folder: Path, **files: str) -> Verdict | None:
    found = Judge("s", replace(production(), today=TODAY), _read(folder, **files)).resource(RESOURCE)
    assert len(found) <= 1
    return found[0] if found else None


def test_nothing_is_approved_where_there_are_no_files(folder: Path) -> None:
    assert book.read(folder.parents[1], TODAY) == book.Book()


def _waiver(**changed: str) -> str:
    return yaml.safe_dump(
        {"waivers": [{"rule": RULE, "stack": "s", "resource": "it", "why": "x", "who": "y"} | changed]}
    )


def _state(rule: str = RULE, **said: str) -> str:
    return f"rules: {{{rule}: {json.dumps(said)}}}"


def _ci(keys: str) -> str:
    return f"ci: [{{issuer: i, audience: a, repository: r, keys: {keys}}}]"


UNKNOWN = "did you mean `stateful-protected`"
# File, what stands in it, where it is wrong and what is said of it.
WRONG = (
    ("rollout", _state("stateful-protectd", mode="audit", why="x"), ":1 rules.stateful-protectd", UNKNOWN),
    ("rollout", _state(mode="warn", why="x"), f":1 rules.{RULE}.mode", "must be 'off', 'audit' or 'deny'"),
    ("rollout", _state(mode="off"), f"rules.{RULE}.why", "is missing"),
    ("rollout", f"{{rules: {{{RULE}: {{mode: audit, from: 2027-01-01, why: x}}}}}}", f":1 rules.{RULE}", "mode deny"),
    ("rollout", "- a\n- list\n", "", ""),
    ("waivers", _waiver(rule="stateful-protectd", until="2026-12-01"), "waivers.0.rule", UNKNOWN),
    ("waivers", _waiver(until="2027-11-30"), "waivers.0.until", "more than a year away"),
    ("waivers", _waiver(until="soon"), "waivers.0.until", "date"),
    ("waivers", _waiver(), "waivers.0.until", "is missing"),
    ("waivers", _waiver(until="2026-12-01", why=""), "waivers.0.why", "must not be empty"),
    ("waivers", _waiver(until="2026-12-01", who=""), "waivers.0.who", "must not be empty"),
    ("waivers", "waivers: [", "", ""),
    ("approved", "registries: ['registry.example/team:tag']", ":1 registries.0", "names a tag"),
    ("approved", "registries: ['Registry/../x']", ":1 registries.0", "is no registry"),
    ("approved", "regons: {}", ":1 regons", "did you mean `regions`"),
    ("approved", "branches: {production: [main]}", ":1 branches.production.0", "refs/heads/main"),
    ("approved", "services: {clowd: [x]}", ":1 services.clowd", "did you mean `cloud`"),
    ("approved", "inputs: {production: [sales]}", ":1 inputs.production.0", "environment's id"),
    ("approved", "inputs: {testing: [a-b], production: [a-b]}", ":1 inputs", "shares no data"),
    ("approved", _ci("none.json"), ":1 ci.0.keys", "can't be read"),
    ("approved", _ci("../../Pulumi.yaml"), ":1 ci.0.keys", "below policies/waivers"),
    ("approved", _ci("approved.yaml"), ":1 ci.0.keys", "is no key set"),
    ("images", "images: {'sha256:abc': {}}", ":1 images.sha256:abc", "64 digits"),
)


@pytest.mark.parametrize(("file", "text", "place", "says"), WRONG, ids=str)
def test_what_is_wrong_is_said_with_its_place(folder: Path, file: str, text: str, place: str, says: str) -> None:
    [(where, message)] = _problems(folder, **{file: text})
    assert where.startswith(f"policies/waivers/{file}.yaml") or where.startswith("None")
    assert place in where
    assert says in message


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    found = _problems(
        folder,
        approved="registries: ['a:b@c']\nnonsense: 1\n",
        rollout="rules:\n  nonsense: {mode: audit, why: x}\n  db-ha: {mode: audit, from: 2027-01-01, why: x}\n",
        waivers=WAIVER.format(rule="nonsense", until="2099-01-01"),
        images="images: [",
    )
    assert [where.partition(" ")[0] for where, _ in found] == [
        "policies/waivers/approved.yaml:1",
        "policies/waivers/approved.yaml:2",
        "policies/waivers/rollout.yaml:2",
        "policies/waivers/rollout.yaml:3",
        "policies/waivers/waivers.yaml:1",
        "policies/waivers/images.yaml:1",
    ]


def test_what_is_not_listed_denies(folder: Path) -> None:
    verdict = _verdict(folder)
    assert verdict is not None
    assert verdict.denied
    assert verdict.because == ""


@pytest.mark.parametrize("mode", ["off", "'off'"])
def test_a_rule_that_is_off_says_nothing_however_yaml_reads_the_word(folder: Path, mode: str) -> None:
    assert _verdict(folder, rollout=f"rules: {{{RULE}: {{mode: {mode}, why: x}}}}") is None


def test_audit_reports(folder: Path) -> None:
    verdict = _verdict(folder, rollout=f"rules: {{{RULE}: {{mode: audit, why: Being tried}}}}")
    assert verdict is not None
    assert (verdict.standing, verdict.because) == (Standing.AUDITED, "Only reported: Being tried")


@pytest.mark.parametrize(
    ("begins", "standing"),
    [(TODAY + DAY, Standing.AUDITED), (TODAY, Standing.DENIED), (TODAY - DAY, Standing.DENIED)],
    ids=["tomorrow", "today", "yesterday"],
)
def test_a_rule_denies_from_its_day_on(folder: Path, begins: date, standing: Standing) -> None:
    verdict = _verdict(folder, rollout=f"rules: {{{RULE}: {{mode: deny, from: {begins}, why: Time to mend}}}}")
    assert verdict is not None
    assert verdict.standing is standing
    assert (f"Only reported until {begins}: Time to mend" in verdict.message) == (standing is Standing.AUDITED)


@pytest.mark.parametrize(
    ("until", "standing", "because"),
    [
        (TODAY + DAY, Standing.WAIVED, "Waived until 2026-11-29 by y: x"),
        (TODAY, Standing.WAIVED, "Waived until 2026-11-28 by y: x"),
        (TODAY - DAY, Standing.DENIED, "Its waiver ended on 2026-11-27."),
    ],
    ids=["tomorrow", "today", "yesterday"],
)
def test_a_waiver_holds_to_its_last_day_and_is_named_after_it(
    folder: Path, until: date, standing: Standing, because: str
) -> None:
    verdict = _verdict(folder, waivers=WAIVER.format(rule=RULE, until=until))
    assert verdict is not None
    assert (verdict.standing, verdict.because) == (standing, because)


@pytest.mark.parametrize("change", [("stack: s", "stack: t"), ("resource: it", "resource: i"), (RULE, "db-ha")])
def test_a_waiver_is_for_one_rule_of_one_resource_of_one_stack(folder: Path, change: tuple[str, str]) -> None:
    verdict = _verdict(folder, waivers=WAIVER.format(rule=RULE, until=TODAY).replace(*change))
    assert verdict is not None
    assert verdict.denied
