"""Identities of clouds: rights that are named, trust that is conditional, no keys that can be lost."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rules.documents import EVERYBODY, allowed, members, own_servers, public
from policies.rules.model import EVERY_TIER, SHARED_TIERS, Facts, Finding, Resource, Severity, rule
from policies.rules.reading import Node, root

_ROLE = "aws:iam/role:Role"
_POLICIES = (
    "aws:iam/policy:Policy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy",
)
_ROLE_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_ATTACHMENTS = (
    _ROLE_ATTACHMENT,
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
)
_GCP_BINDINGS = ("gcp:projects/iAMMember:IAMMember", "gcp:projects/iAMBinding:IAMBinding")
_GCP_POOL_PROVIDER = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
_SCALEWAY_POLICY = "scaleway:iam/policy:Policy"
_AWS_KEY = "aws:iam/accessKey:AccessKey"
_KEYS = (_AWS_KEY, "gcp:serviceaccount/key:Key", "gcp:storage/hmacKey:HmacKey", "scaleway:iam/apiKey:ApiKey")
_BASIC_ROLES = {"roles/owner", "roles/editor", "roles/viewer"}
_DEPLOYERS = "/PowerUserAccess"
_ADMIN_POLICIES = ("/AdministratorAccess", "/IAMFullAccess", _DEPLOYERS)
# Sets that hold every right of an organisation or the right to give rights.
_SCALEWAY_ADMIN = {"AllProductsFullAccess", "IAMManager", "OrganizationManager", "ProjectManager"}


@rule(
    "iam-no-wildcard",
    title="Policies name what they allow.",
    reason="`*` includes the right to give rights, and services that don't exist yet.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_62", "CKV_AWS_63", "CKV_AWS_355", "IAM.1", "IAM.21", "CKV_GCP_117"),
    remedy="List the actions; on Google Cloud use a predefined role, not owner, editor or viewer.",
    types=(*_POLICIES, _ROLE, *_GCP_BINDINGS, _SCALEWAY_POLICY),
)
def no_wildcard(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No action is `*` or `service:*`, none is meant by NotAction, and no role is a basic one."""
    node = root(resource)
    if resource.type in _GCP_BINDINGS:
        yield from _wide_binding(node)
    elif resource.type == _SCALEWAY_POLICY:
        sets = [name for entry in node.get("rules").entries() for name in entry.get("permissionSetNames").entries()]
        yield from (name.fault("allows everything") for name in sets if name.text in {"", *_SCALEWAY_ADMIN})
    else:
        for document in _documents(resource):
            for statement in allowed(document):
                yield from _wild(statement)


@rule(
    "iam-no-public-trust",
    title="Roles trust named identities, under a condition where an issuer serves many.",
    reason="Any repository of a public CI, or any account, could take the role.",
    severity=Severity.CRITICAL,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_60", "CKV_AWS_61", "CKV_GCP_118"),
    remedy="Name the principal; for an OIDC issuer demand its `sub` (AWS) or an attributeCondition (Google Cloud).",
    types=(_ROLE, _GCP_POOL_PROVIDER),
)
def no_public_trust(resource: Resource, _facts: Facts) -> Iterator[Finding]:
    """No principal is everybody, and who signs in by OIDC is told by a subject."""
    node = root(resource)
    if resource.type == _GCP_POOL_PROVIDER:
        condition = node.get("attributeCondition")
        if condition.text.strip() in {"", "true"}:
            yield condition.fault("trusts everybody whom the issuer knows")
        return
    for statement in allowed(node.get("assumeRolePolicy")):
        for who in public(statement):
            yield who.fault("is everybody")
        issuers = [node for key, node in statement.get("Principal").fields() if key == "Federated"]
        for issuer in (one for node in issuers for one in node.one_or_more()):
            if ":saml-provider/" not in issuer.text and not _tells_subject(statement):
                yield issuer.fault("is trusted whoever signs in there: no condition names a subject")


@rule(
    "iam-no-admin-attach",
    title="Nobody gets a managed policy that allows everything.",
    reason="It is the shortest way past iam-no-wildcard.",
    severity=Severity.HIGH,
    tiers=EVERY_TIER,
    sources=("CKV_AWS_274", "CKV2_AWS_56"),
    remedy="Attach a policy that lists what is needed.",
    types=(*_ATTACHMENTS, _ROLE),
)
def no_admin_attach(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """AdministratorAccess and IAMFullAccess nowhere; PowerUserAccess is attached only to what the declared CI takes."""
    node = root(resource)
    attached = node.get("managedPolicyArns").entries() if resource.type == _ROLE else (node.get("policyArn"),)
    for arn in attached:
        deploys = resource.type == _ROLE_ATTACHMENT and resource.name in facts.deploying
        declared = deploys and arn.text.endswith(_DEPLOYERS)
        if arn.text.endswith(_ADMIN_POLICIES) and not declared:
            yield arn.fault("allows everything")


@rule(
    "no-static-keys",
    title="Nothing signs in by a key that somebody keeps.",
    reason="Keys are copied, logged and committed, and nobody knows by whom they are used.",
    severity=Severity.HIGH,
    tiers=SHARED_TIERS,
    sources=("CKV_AWS_273",),
    remedy="Use pod identity, workload identity or an OIDC role. A store of one's own that knows only keys is exempt.",
    types=_KEYS,
)
def no_static_keys(resource: Resource, facts: Facts) -> Iterator[Finding]:
    """There is no such key, but at servers of one's own: their provider has endpoints, and AWS' roles don't exist."""
    if resource.type == _AWS_KEY and resource.options.provider in own_servers(facts):
        return
    yield Finding("", "is a key that does not expire")


def _documents(resource: Resource) -> Iterator[Node]:
    node = root(resource)
    if resource.type != _ROLE:
        yield node.get("policy")
        return
    for inline in node.get("inlinePolicies").entries():
        yield inline.get("policy")


def _wide_binding(node: Node) -> Iterator[Finding]:
    if node.get("role").text in {"", *_BASIC_ROLES}:
        yield node.get("role").fault("is a basic role")
    for member in members(node):
        if member.text in EVERYBODY:
            yield member.fault("is everybody")


def _wild(statement: Node) -> Iterator[Finding]:
    for action in statement.get("Action").one_or_more():
        service, _, name = action.text.partition(":")
        if "*" in service or not name.strip("*?"):
            yield action.fault("allows every action")
    if not statement.get("NotAction").absent:
        yield statement.get("NotAction").fault("allows all actions but a few")


def _tells_subject(statement: Node) -> bool:
    """Tell whether a condition narrows an OIDC subject to something; `*` alone narrows nothing."""
    for operator, keys in statement.get("Condition").fields():
        if not operator.removeprefix("ForAnyValue:").startswith(("StringEquals", "StringLike")):
            continue
        for key, values in keys.fields():
            narrow = [one.text.strip("*?") for one in values.one_or_more()]
            if key.endswith(":sub") and narrow and all(narrow):
                return True
    return False
