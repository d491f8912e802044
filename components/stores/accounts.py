"""Who may use S3 buckets: IAM users with keys, roles for service accounts, or accounts that an administrator made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam

from components.stores import files, layout, policies
from components.stores.objects import Place
from components.stores.policies import Statement
from components.stores.who import Key, Who

__all__ = [
    "Account",
    "Endpoint",
    "Key",
    "Keys",
    "Rights",
    "TokenIssuer",
    "Who",
    "roles",
    "statements",
    "supplied",
    "users",
]


@dataclass(frozen=True)
class Rights:
    """What identities may reach.

    Args:
        buckets: The store's own S3 buckets, without the one for backups.
        lake: The S3 bucket of the lake's datasets, or None.
    """

    buckets: pulumi.Output[Sequence[str]]
    lake: pulumi.Output[str | None]

    def of(self, who: Who) -> pulumi.Output[list[Statement]]:
        """Return the statements of an identity's policy."""
        return pulumi.Output.all(buckets=self.buckets, lake=self.lake).apply(
            lambda values: statements(who, values["buckets"], values["lake"])
        )


def statements(who: Who, buckets: Sequence[str], lake: str | None) -> list[Statement]:
    """Return what an identity may do: with its own as it is, with the lake's datasets read.

    Args:
        who: The identity.
        buckets: The store's own S3 buckets.
        lake: The S3 bucket of the lake's datasets, or None.
    """
    own = (policies.read_write if who.writes else policies.read_only)(buckets, layout.prefix(who.bucket))
    return own + (policies.read_only([lake], name="Lake") if lake else [])


@dataclass(frozen=True)
class Endpoint:
    """Where clients find the store.

    Args:
        url: The S3 endpoint.
        region: Its region.
        sts: Where service account tokens are exchanged; None if they are not.
        authorities: Whether identities get certificate authorities that vouch for it.
    """

    url: str
    region: str
    sts: str | None = None
    authorities: bool = False


Keys = Callable[[Who, Sequence[int]], Mapping[int, Key]]
"""Makes an identity's keys, one for each generation."""


def users(place: Place, endpoint: Endpoint, rights: Rights) -> Keys:
    """Return what makes IAM users, with one access key for each generation (IAM allows two at a time).

    Args:
        place: Where.
        endpoint: Where clients find the store.
        rights: What the identities may reach.
    """

    def make(who: Who, generations: Sequence[int]) -> Mapping[int, Key]:
        logical = f"{place.name}-{who.name}"
        user = iam.User(
            logical,
            name=place.uid.apply(lambda uid: layout.iam_user(place.owner, who.name, uid)),
            path=f"/terrarium/{place.owner}/",
            # Keys that somebody added by hand must not keep an environment from being destroyed.
            force_destroy=True,
            tags=place.tags,
            opts=place.opts,
        )
        policy = rights.of(who).apply(policies.document)
        iam.UserPolicy(f"{logical}-store", name="store", user=user.name, policy=policy, opts=place.opts)
        return {number: _access_key(place, endpoint, logical, user, number) for number in generations}

    return make


def _access_key(place: Place, endpoint: Endpoint, logical: str, user: iam.User, generation: int) -> Key:
    key = iam.AccessKey(f"{logical}-key-{generation}", user=user.name, opts=place.opts)
    return _key(endpoint, key.id, key.secret)


def _key(endpoint: Endpoint, access_key: pulumi.Input[str], secret_key: pulumi.Input[str]) -> Key:
    credentials = pulumi.Output.all(access_key, secret_key).apply(lambda pair: files.aws_credentials(*pair))
    config = pulumi.Output.from_input(files.aws_config(endpoint.url, endpoint.region, authorities=endpoint.authorities))
    return Key({files.CONFIG: config, files.CREDENTIALS: pulumi.Output.secret(credentials)})


@dataclass(frozen=True)
class TokenIssuer:
    """Who vouches for service accounts.

    Args:
        provider_arn: ARN of the store's OpenID Connect provider for the cluster.
        issuer: The cluster's token issuer, without scheme.
        audience: What tokens must be made for.
    """

    provider_arn: str
    issuer: str
    audience: str


def roles(place: Place, endpoint: Endpoint, rights: Rights, issuer: TokenIssuer) -> Keys:
    """Return what makes roles that service accounts' tokens open: no key exists that could leak.

    Args:
        place: Where; its owner's id is also the namespace.
        endpoint: Where clients find the store.
        rights: What the identities may reach.
        issuer: Who vouches for the service accounts.
    """

    def make(who: Who, generations: Sequence[int]) -> Mapping[int, Key]:
        logical, account = f"{place.name}-{who.name}", f"store-{who.name}"
        trust = policies.web_identity(issuer.provider_arn, issuer.issuer, issuer.audience, place.owner, account)
        role = iam.Role(
            logical,
            name=place.uid.apply(lambda uid: layout.iam_user(place.owner, who.name, uid)),
            path=f"/terrarium/{place.owner}/",
            assume_role_policy=trust,
            tags=place.tags,
            opts=place.opts,
        )
        policy = rights.of(who).apply(policies.document)
        iam.RolePolicy(f"{logical}-store", name="store", role=role.name, policy=policy, opts=place.opts)
        own = endpoint.authorities
        config = role.arn.apply(
            lambda arn: files.aws_config(endpoint.url, endpoint.region, arn, endpoint.sts, authorities=own)
        )
        return {number: Key({files.CONFIG: config}, account, audience=issuer.audience) for number in generations}

    return make


@dataclass(frozen=True)
class Account:
    """An account that the store's administrator made, where the store has no IAM API.

    Args:
        principal: The account, as the store's bucket policies name it.
        access_key: Its access key id.
        secret_key: Its secret access key.
    """

    principal: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


def supplied(endpoint: Endpoint, accounts: Mapping[str, Account]) -> Keys:
    """Return what hands out the keys of accounts that exist; S3 buckets' policies give them their rights.

    Args:
        endpoint: Where clients find the store.
        accounts: By identity.
    """

    def make(who: Who, generations: Sequence[int]) -> Mapping[int, Key]:
        account = accounts[who.name]
        return dict.fromkeys(generations, _key(endpoint, account.access_key, account.secret_key))

    return make
