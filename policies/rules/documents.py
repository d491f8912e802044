"""Reading policy documents of AWS and members of Google Cloud: who may do what, in the spellings they come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policies.rules.model import Facts, Resource
from policies.rules.reading import Node, root

EVERYBODY = {"allUsers", "allAuthenticatedUsers"}
"""Google Cloud's members that stand for anybody, and anybody with any account."""


def allowed(policy: Node) -> Iterator[Node]:
    """Yield the statements of a policy document that allow something, or can't be read.

    Args:
        policy: The document, as JSON text or as a mapping.
    """
    document = policy.document()
    if document.absent:
        return
    statements = document.get("Statement")
    if statements.absent and not document.unknown:
        yield document.get("Statement")
    for statement in statements.one_or_more():
        if statement.get("Effect").text != "Deny":
            yield statement


def principals(statement: Node) -> Iterator[Node]:
    """Yield who a statement is about: `*`, or each entry of `AWS`, `Federated`, `Service` and so on.

    Args:
        statement: A statement.
    """
    principal = statement.get("Principal")
    if not isinstance(principal.value, Mapping):
        yield from principal.one_or_more()
        return
    for _, named in principal.fields():
        yield from named.one_or_more()


def public(statement: Node) -> Iterator[Node]:
    """Yield what makes a statement one about everybody.

    `NotPrincipal` with Allow is everybody but a few. A condition does not help: which ones narrow can't be told here.

    Args:
        statement: A statement that allows.
    """
    for principal in principals(statement):
        if principal.text == "*" or not principal.text:
            yield principal
    excluded = statement.get("NotPrincipal")
    if not excluded.absent:
        yield excluded


def members(binding: Node) -> Iterator[Node]:
    """Yield the members of an IAM binding of Google Cloud, one or many.

    Args:
        binding: Properties of an `…IAMMember` or `…IAMBinding`.
    """
    if not binding.get("member").absent:
        yield binding.get("member")
    yield from binding.get("members").entries()


# What our stores' keys, buckets and sign-in go through; with one of them left out, it is Amazon's.
_SERVICES = {"iam", "s3", "sts"}
_AMAZONS = ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws")


def is_own_server(provider: Resource) -> bool:
    """Tell whether an AWS provider speaks to servers of one's own, which know keys only and regions by name.

    Args:
        provider: Any resource of the stack.
    """
    if provider.type != "pulumi:providers:aws":
        return False
    # A provider's inputs are JSON in text on the wire.
    entries = root(provider).get("endpoints").document().entries()
    given = {name: url.text for entry in entries for name, url in entry.fields() if not url.absent}
    return given.keys() >= _SERVICES and not any(_is_amazons(url) for url in given.values())


def _is_amazons(url: str) -> bool:
    host = url.lower().partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0].rstrip(".")
    return not host or any(host == one or host.endswith(f".{one}") for one in _AMAZONS)


def own_servers(facts: Facts) -> set[str]:
    """Return the names of the providers that speak to servers of one's own.

    Args:
        facts: Of the stack; its resources hold the providers at least.
    """
    return {one.name for one in facts.resources if is_own_server(one)}
