"""What CI's token says counts, and nothing that anybody else made, took from elsewhere or kept."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from policies.gates.attestation import attested
from policies.gates.book import Book
from policies.gates.files import Approved, TrustedCi
from policies.rules import Deployment
from tests.support.tokens import GITHUB, GITLAB, PROJECT, GithubJob, GitlabJob

AUDIENCE = "https://terrarium.example.org"
RSA, OTHERS = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
CURVE = ec.generate_private_key(ec.SECP256R1())
CI = {
    issuer: TrustedCi(
        issuer=issuer, audience=AUDIENCE, repository=PROJECT, environments=("production",), keys="keys.json"
    )
    for issuer in (GITHUB, GITLAB)
}
GITHUB_JOB = GithubJob(GITHUB, AUDIENCE, "production")
GITLAB_JOB = GitlabJob(GITLAB, AUDIENCE, "production")
NOTHING = Deployment()


def _public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    algorithm: Any = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    described: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return described | {"kid": kid, "use": "sig"}


KEYS = {"keys": [_public(RSA, "rsa"), _public(CURVE, "curve")]}
BOOK = Book(Approved(ci=tuple(CI.values())), keys=dict.fromkeys(CI, KEYS))


def _token(
    claims: Mapping[str, Any], key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa", **changed: Any
) -> str:
    """Return a signed token; its times are now unless said otherwise."""
    now = int(time.time())
    said = {**claims, "iat": now, "nbf": now, "exp": now + 300, **changed}
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode({k: v for k, v in said.items() if v is not None}, key, algorithm=algorithm, headers=headers)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A clean checkout and its commit."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "file").write_text("text")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "x")):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return folder, head.stdout.strip()


@pytest.mark.parametrize("job", [GITHUB_JOB, GITLAB_JOB], ids=["GitHub", "GitLab"])
def test_the_word_of_a_trusted_ci_is_taken(job: GithubJob | GitlabJob, checkout: tuple[Path, str]) -> None:
    folder, commit = checkout
    said = attested(_token(job.claims(), sha=commit), BOOK, folder)
    assert said == Deployment(attested=True, ref="refs/heads/main", reviewed=True, clean=True)
    with_curve = _token(job.claims(), CURVE, "ES256", "curve", sha=commit)
    assert attested(with_curve, BOOK, folder) == said


@pytest.mark.parametrize(
    ("job", "differs"),
    [
        (replace(GITHUB_JOB, ref="refs/heads/feature"), {"ref": "refs/heads/feature"}),
        (replace(GITHUB_JOB, ref="refs/tags/main"), {"ref": "refs/tags/main"}),
        (replace(GITLAB_JOB, ref_type="tag"), {"ref": "refs/tags/main"}),
        (replace(GITHUB_JOB, environment=None), {"reviewed": False}),
        (replace(GITHUB_JOB, environment="staging"), {"reviewed": False}),
        (replace(GITLAB_JOB, changed={"environment_protected": "false"}), {"reviewed": False}),
    ],
    ids=str,
)
def test_what_it_says_is_what_counts(
    job: GithubJob | GitlabJob, differs: dict[str, Any], checkout: tuple[Path, str]
) -> None:
    folder, commit = checkout
    whole = Deployment(attested=True, ref="refs/heads/main", reviewed=True, clean=True)
    assert attested(_token(job.claims(), sha=commit), BOOK, folder) == replace(whole, **differs)


def test_a_tree_that_is_not_the_commit_is_not_clean(checkout: tuple[Path, str], tmp_path: Path) -> None:
    folder, commit = checkout
    assert not attested(_token(GITHUB_JOB.claims()), BOOK, folder).clean  # another commit
    assert not attested(_token(GITHUB_JOB.claims(), sha=commit), BOOK, tmp_path).clean  # no checkout
    assert not attested(_token(GITHUB_JOB.claims(), sha=None), BOOK, tmp_path).clean  # neither says anything
    (folder / "more").write_text("text")
    try:
        assert attested(_token(GITHUB_JOB.claims(), sha=commit), BOOK, folder) == Deployment(
            attested=True, ref="refs/heads/main", reviewed=True
        )
    finally:
        (folder / "more").unlink()


def _forged() -> dict[str, str]:
    claims, now = GITHUB_JOB.claims(), int(time.time())
    pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    valid = _token(claims)
    return {
        "no token": "",
        "no JWT": "a.b.c",
        "another issuer": _token(claims, iss="https://token.evil.example"),
        "another audience": _token(claims, aud="https://evil.example"),
        "no audience": _token(claims, aud=None),
        "another repository": _token(claims, repository="acme/other"),
        "no repository": _token(claims, repository=None),
        "another's key": _token(claims, OTHERS),
        "a key that nobody knows": _token(claims, kid="new"),
        "no key's name": _token(claims, kid=None),
        "two hours ago": _token(claims, iat=now - 7200),
        "from the future": _token(claims, iat=now + 600),
        "no time": _token(claims, iat=None),
        "a time in words": _changed(valid, iat="now"),
        "a time beyond all dates": _token(claims, iat=-(10**18)),
        "the other key's algorithm": f"{_part({'alg': 'ES256', 'kid': 'rsa', 'typ': 'JWT'})}.{valid.partition('.')[2]}",
        "no text": "\udc80.\udc80.\udc80",
        "a changed claim": _changed(valid, ref="refs/heads/evil"),
        "no signature": valid.rpartition(".")[0] + ".",
        "algorithm none": _unsigned("none", claims),
        "the public key as a shared secret": _hmac(pem, claims),
    }


def _part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _changed(token: str, **claims: Any) -> str:
    head, body, signature = token.split(".")
    known = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return ".".join((head, _part(known | claims), signature))


def _unsigned(algorithm: str, claims: Mapping[str, Any]) -> str:
    now = int(time.time())
    return f"{_part({'alg': algorithm, 'kid': 'rsa', 'typ': 'JWT'})}.{_part({**claims, 'iat': now, 'exp': now + 300})}."


def _hmac(secret: bytes, claims: Mapping[str, Any]) -> str:
    """Return a token signed with the public key as if it were a secret, as PyJWT itself refuses to make one."""
    unsigned = _unsigned("HS256", claims).removesuffix(".")
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(unsigned.encode(), secret)
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize("forged", _forged())
def test_nothing_else_says_anything(forged: str, checkout: tuple[Path, str]) -> None:
    # Made anew: tests are collected long before the last of them runs, and what was the future is the past by then.
    assert attested(_forged()[forged], BOOK, checkout[0]) == NOTHING


@pytest.mark.parametrize("kind", ["branch", "tag"])
def test_a_gitlab_branch_or_tag_called_as_a_whole_ref_is_not_that_ref(kind: str, checkout: tuple[Path, str]) -> None:
    token = _token(GITLAB_JOB.claims(), ref="refs/heads/main", ref_type=kind)
    assert attested(token, BOOK, checkout[0]).ref == f"refs/{'heads' if kind == 'branch' else 'tags'}/refs/heads/main"


def test_a_gitlab_environment_of_which_nothing_is_said_is_not_protected(checkout: tuple[Path, str]) -> None:
    token = _token(GITLAB_JOB.claims(), environment_protected=None)
    assert not attested(token, BOOK, checkout[0]).reviewed


@pytest.mark.parametrize("keys", [{"keys": []}, {"keys": [{"kty": "RSA"}]}, {"keys": [_public(OTHERS, "rsa")]}])
def test_keys_that_are_not_the_issuers_verify_nothing(keys: dict[str, Any], checkout: tuple[Path, str]) -> None:
    token = _token(GITHUB_JOB.claims())
    assert attested(token, replace(BOOK, keys=dict.fromkeys(CI, keys)), checkout[0]) == NOTHING
    assert attested(token, Book(), checkout[0]) == NOTHING


def test_one_issuers_key_does_not_speak_for_another(checkout: tuple[Path, str]) -> None:
    keys = {GITHUB: {"keys": [_public(OTHERS, "rsa")]}, GITLAB: KEYS}
    assert attested(_token(GITHUB_JOB.claims()), replace(BOOK, keys=keys), checkout[0]) == NOTHING
    assert attested(_token(GITLAB_JOB.claims()), replace(BOOK, keys=keys), checkout[0]).attested


@pytest.mark.parametrize(("number", "taken"), [("same", True), ("other", False)])
@pytest.mark.parametrize("job", [GITHUB_JOB, GITLAB_JOB], ids=["GitHub", "GitLab"])
def test_a_repository_under_a_name_that_was_given_up_has_another_number(
    job: GithubJob | GitlabJob, number: str, taken: bool, checkout: tuple[Path, str]
) -> None:
    claims = job.claims()
    own = str(claims.get("repository_id") or claims["project_id"])
    wanted = own if number == "same" else f"{own}0"
    trusted = tuple(ci.model_copy(update={"repository_id": wanted}) for ci in CI.values())
    said = attested(
        _token(claims, sha=checkout[1]), Book(Approved(ci=trusted), keys=dict.fromkeys(CI, KEYS)), checkout[0]
    )
    assert said.attested is taken
