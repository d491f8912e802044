"""A real API server that judges cases: what it says of an object, in the words of the case files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

from policies.cases import Case, production
from policies.gates.book import Book
from policies.rules import Tier
from policies.rules.cluster_gate import Lists
from rehearsal.platform import Platform
from tests.support.admission import manifests
from tests.support.api import Person
from tests.support.waiting import until

NAMESPACES = {Tier.EXPERIMENTATION: "churn-dev", Tier.TESTING: "churn-test", Tier.PRODUCTION: "churn-prod"}
SECURED = "secured"
"""A namespace of no environment that enforces Pod Security, as environments' namespaces do."""
DIGEST = f"sha256:{'a' * 64}"
IMAGE = f"registry.example/churn/train@{DIGEST}"

_WARNED = re.compile(r"Validation failed for ValidatingAdmissionPolicy '[^']+' with binding '[^']+': ([a-z-]+): ")
_TOKEN = re.compile(r"kubernetes:(?:core/)?([\w./]+):(\w+?)(Patch)?")


@dataclass(frozen=True)
class Answer:
    """What became of a request.

    Args:
        status: HTTP status.
        rules: Ids of all rules that the admission policies found broken.
        message: What the person reads; empty if it was let in.
    """

    status: int
    rules: frozenset[str]
    message: str

    @property
    def refused(self) -> bool:
        """Whether admission said no. An object that is malformed (422) is none that anybody judged."""
        assert self.status in {200, 201, 403}, self.message
        return self.status == 403


class ApiServer:
    """An API server with a namespace for each tier, and the policies bound to deny and, to hear of all, to warn.

    Args:
        platform: A running platform of its own.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.person = Person(platform)
        self._dynamic = DynamicClient(self.person.api)
        self._probes = 0
        for tier, name in NAMESPACES.items():
            self.namespace(name, {"terrarium.dev/environment": name, "terrarium.dev/tier": tier.value})
            self.apply(_priority(f"terrarium-{tier.value}"))
        self.namespace(SECURED, {"pod-security.kubernetes.io/enforce": "restricted"})
        self.apply(_priority("nightly"))
        self.approve(lists())

    def namespace(self, name: str, labels: Mapping[str, str]) -> str:
        """Make a namespace in which pods can be made, and return its name."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}})
        until(lambda: self.person.core.list_namespaced_service_account(name).items)
        return name

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """Make an object, or bring it into this form."""
        kind = self._dynamic.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        kind.server_side_apply(body=dict(manifest), field_manager="tests", force_conflicts=True)

    def approve(self, approved: Lists) -> None:
        """Put the policies in force with these lists, and wait until the API server has taken them up."""
        self._probes += 1
        registry = f"probe-{self._probes}.example"
        both = dataclasses.replace(approved, registries=(*approved.registries, registry))
        for manifest in manifests(both, ("Deny", "Warn")):
            self.apply(manifest)
        probe = pod(f"{registry}/x:1", nodeName="none") | {
            "metadata": {"name": "probe", "labels": {"terrarium.dev/tier": "none"}}
        }
        until(lambda: self.create(probe, "churn-dev").rules == {"no-node-name", "own-labels"})

    def create(self, body: Mapping[str, Any], namespace: str, *, dry: bool = True) -> Answer:
        """Ask to create an object; by default only whether it would be let in."""
        return self._ask("POST", body, namespace, dry=dry)

    def change(self, body: Mapping[str, Any], namespace: str, subresource: str = "", *, dry: bool = True) -> Answer:
        """Ask to change an object that exists, by a strategic merge patch."""
        return self._ask("PATCH", body, namespace, body["metadata"]["name"], subresource, dry=dry)

    def judge(self, case: Case, namespace: str) -> Answer:
        """Ask for what a case is about; what it lacks that the API demands and no rule is about is filled in."""
        version, kind, patch = native(case) or ("", "", "")
        body = _completed(kind, dict(_plain(case.resource.properties)), partial=bool(patch))
        body |= {"apiVersion": version, "kind": kind}
        ephemeral = body.get("spec", {}).get("ephemeralContainers")
        if ephemeral:
            # The API takes them of a pod that exists, by their own subresource.
            change = {"metadata": body["metadata"], "spec": {"ephemeralContainers": ephemeral}}
            return self.change({"apiVersion": version, "kind": kind, **change}, namespace, "ephemeralcontainers")
        if patch:
            return self.change(body, namespace)
        return self.create(body | {"metadata": body["metadata"] | {"name": "case"}}, namespace)

    def _ask(
        self, verb: str, body: Mapping[str, Any], namespace: str, name: str = "", subresource: str = "", *, dry: bool
    ) -> Answer:
        kind = self._dynamic.resources.get(api_version=body["apiVersion"], kind=body["kind"])
        path = "/".join(part for part in (kind.path(name or None, namespace), subresource) if part)
        merge = "application/strategic-merge-patch+json" if verb == "PATCH" else "application/json"
        metadata = {key: value for key, value in body.get("metadata", {}).items() if key != "namespace"}
        asked = {"body": {**body, "metadata": metadata}, "content_type": merge, "dry_run": "All" if dry else None}
        try:
            response = self._dynamic.request(verb, path, serialize=False, **asked)
        except ApiException as error:
            return Answer(error.status, _rules(error.headers), str(error.body))
        return Answer(response.status, _rules(response.headers), "")


def lists() -> Lists:
    """Return the lists that let the API server judge as the rules do on the facts of the cases."""
    facts = production()
    every = dict.fromkeys(Tier, tuple(facts.inputs))
    return Lists(facts.registries, Book(evidence=facts.evidence).running, inputs=every)


def native(case: Case) -> tuple[str, str, str] | None:
    """Return API version, kind and `Patch` or nothing of what a case is about, if Kubernetes itself has the kind."""
    found = _TOKEN.fullmatch(case.resource.type)
    own = found and (found[1] == "v1" or found[1].partition("/")[0] in {"apps", "batch"})
    return (found[1], found[2], found[3] or "") if found and own else None


def pod(image: str, **spec: Any) -> dict[str, Any]:
    """Return a pod of one container."""
    containers = [{"name": "main", "image": image}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "it"},
        "spec": {"automountServiceAccountToken": False, "containers": containers, **spec},
    }


def deployment(name: str, image: str, replicas: int = 0) -> dict[str, Any]:
    """Return a Deployment of pods of one container."""
    template = {"metadata": {"labels": {"app": name}}, "spec": pod(image)["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def _rules(headers: Any) -> frozenset[str]:
    return frozenset(_WARNED.findall(", ".join(headers.getlist("Warning"))))


def _completed(kind: str, body: dict[str, Any], *, partial: bool) -> dict[str, Any]:
    spec = body.get("spec", {})
    if partial:
        return body
    if kind == "Deployment":
        spec["selector"] = {"matchLabels": {"app": "it"}}
        spec["template"].setdefault("metadata", {})["labels"] = {"app": "it"}
    if kind == "CronJob":
        spec["schedule"] = "0 3 * * *"
        spec = spec["jobTemplate"]["spec"]
    if kind in {"Job", "CronJob"}:
        spec["template"]["spec"]["restartPolicy"] = "Never"
    return body


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: the engine's numbers are floats, the API's mostly are not."""
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _priority(name: str) -> dict[str, Any]:
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1}
