"""What is asked of S3, IAM and PostgreSQL for a store, and what of it reaches the cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SIGNATURE = "4dabf18193072939515e22adb298388d"
HERE = {"objects": {"profile": "terrarium-shared"}, "database": {"service": "terrarium-shared"}}
REMOTE = {"objects": {"profile": "remote", "cidrs": ["10.9.0.0/24"]}, "database": {"service": "remote"}}
WITHOUT = {"lifecycle": "w", "encryption": "w", "public_access_block": "w"}
Block = Callable[..., dict[str, Any]]


def cloud(store: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return {"kubernetes": {"context": "c", "platform": "shared", "store": store, **more}}


def of(recorded: Any, kind: str) -> dict[str, dict[str, Any]]:
    """The inputs of what was registered of a kind, by logical name."""
    return {r.name: r.inputs for r in recorded.registrations if r.kind == kind}


def policies(recorded: Any) -> dict[str, list[dict[str, Any]]]:
    """The statements of each identity's policy, by logical name."""
    found = of(recorded, "aws:iam/userPolicy:UserPolicy")
    return {name: json.loads(inputs["policy"])["Statement"] for name, inputs in found.items()}


def plain(value: Any) -> Any:
    """A value without the engine's mark of a secret."""
    return value["value"] if isinstance(value, dict) and SIGNATURE in value else value


def test_a_declaration_that_names_no_place_for_a_store_makes_none(run: Any, environment: Block) -> None:
    recorded = run("dev", environment())
    assert recorded.outputs["store"] is None
    assert not [r for r in recorded.registrations if r.kind.startswith(("aws:", "postgresql:"))]


def test_each_kind_of_objects_has_a_bucket_named_after_the_environment_and_its_uid(run: Any) -> None:
    buckets = of(run("dev"), "aws:s3/bucket:Bucket")
    assert {name: inputs["bucket"] for name, inputs in buckets.items()} == {
        f"churn-dev-store-{kind}": f"churn-dev-{kind}-0badcafe"
        for kind in ("results", "datasets", "models", "scratch", "backups")
    }
    assert all(inputs["tags"]["terrarium.dev/environment"] == "churn-dev" for inputs in buckets.values())


def test_a_store_beyond_this_machine_is_versioned_encrypted_closed_and_kept_as_the_tier_says(
    run: Any, environment: Block
) -> None:
    recorded = run("dev", environment(cloud=cloud(REMOTE)))
    logical = "churn-x-store-results"
    assert of(recorded, "aws:s3/bucketVersioning:BucketVersioning")[f"{logical}-versioning"][
        "versioningConfiguration"
    ] == {"status": "Enabled"}
    rules = of(recorded, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    assert _days(rules[f"{logical}-lifecycle"]) == {"unfinished-uploads": 7, "old-versions": 7}
    assert rules[f"{logical}-lifecycle"]["rules"][1]["expiration"] == {"expiredObjectDeleteMarker": True}
    assert _days(rules["churn-x-store-scratch-lifecycle"]) == {"unfinished-uploads": 7, "old-objects": 14}
    assert _days(rules["churn-x-store-backups-lifecycle"]) == {"unfinished-uploads": 7, "old-objects": 7}
    closed = of(recorded, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    assert len(closed) == 5
    assert all(inputs[key] for inputs in closed.values() for key in inputs if key != "bucket")
    assert (
        len(of(recorded, "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")) == 5
    )
    denials = of(recorded, "aws:s3/bucketPolicy:BucketPolicy")
    assert len(denials) == 5
    for inputs in denials.values():
        [statement] = json.loads(inputs["policy"])["Statement"]
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def _days(configuration: dict[str, Any]) -> dict[str, int]:
    found = {}
    for rule in configuration["rules"]:
        [days] = [
            value
            for part in ("abortIncompleteMultipartUpload", "expiration", "noncurrentVersionExpiration")
            for name, value in rule.get(part, {}).items()
            if name != "expiredObjectDeleteMarker"
        ]
        found[rule["id"]] = days
    return found


def test_what_the_stores_api_lacks_is_not_asked_of_it(run: Any, environment: Block) -> None:
    place = {**HERE, "objects": {**HERE["objects"], "without": WITHOUT}}
    kinds = {r.kind.rpartition(":")[2] for r in run("dev", environment(cloud=cloud(place))).registrations}
    assert "BucketVersioning" in kinds
    assert not {k for k in kinds if k.startswith(("BucketLifecycle", "BucketServer", "BucketPublic"))}


def test_scratch_is_never_versioned_and_nothing_is_if_the_declaration_says_so(run: Any, environment: Block) -> None:
    versioning = "aws:s3/bucketVersioning:BucketVersioning"
    usual = run("dev", environment(cloud=cloud(HERE)))
    assert set(of(usual, versioning)) == {
        f"churn-x-store-{kind}-versioning" for kind in ("results", "datasets", "models")
    }
    assert not of(run("dev", environment(cloud=cloud(HERE), store={"versioned": False})), versioning)


def test_buckets_and_database_are_protected_and_only_an_unprotected_store_is_emptied_by_destroy(
    run: Any, environment: Block
) -> None:
    for stack, emptied in (("dev", True), ("prod", False)):
        recorded = run(stack)
        stateful = [r for r in recorded.registrations if r.short in {"Bucket", "Database"} and r.custom]
        assert len(stateful) == 6
        assert all(r.protect for r in stateful)
        assert {r.inputs.get("forceDestroy") for r in stateful if r.short == "Bucket"} == {emptied}


def test_an_identity_reaches_its_own_and_neither_backups_nor_policies_nor_versions_for_good(run: Any) -> None:
    found = policies(run("dev"))
    assert set(found) == {f"churn-dev-store-{name}-store" for name in ("rw", "ro", "bucket-alice")}
    own = {f"arn:aws:s3:::churn-dev-{kind}-0badcafe" for kind in ("results", "datasets", "models", "scratch")}
    for name, statements in found.items():
        resources = {resource.partition("/")[0] for s in statements for resource in s["Resource"]}
        assert resources == {f"arn:aws:s3:::{arn.rpartition(':')[2]}" for arn in own}, name
        actions = {action for s in statements for action in s["Action"]}
        assert not {a for a in actions if "Policy" in a or "BucketVersioning" in a or "CreateBucket" in a}
        assert "s3:DeleteObjectVersion" not in actions
        assert {s["Effect"] for s in statements} == {"Allow"}
    assert not {a for s in found["churn-dev-store-ro-store"] for a in s["Action"] if "Put" in a or "Delete" in a}


def test_a_bucket_is_a_prefix_whose_names_alone_its_identity_can_list(run: Any) -> None:
    objects, listing, locate = policies(run("dev"))["churn-dev-store-bucket-alice-store"]
    assert all(resource.endswith("/buckets/alice/*") for resource in objects["Resource"])
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["buckets/alice/*"]}}
    assert locate["Action"] == ["s3:GetBucketLocation"]


def test_a_lake_is_read_and_never_written(run: Any, environment: Block) -> None:
    recorded = run("dev", environment(cloud=cloud(HERE), store={"lake": "shared"}))
    for statements in policies(recorded).values():
        lake = [s for s in statements if s["Sid"].startswith("Lake")]
        assert {r.partition("/")[0] for s in lake for r in s["Resource"]} == {
            "arn:aws:s3:::lake--shared-datasets-0badcafe"
        }
        assert not {a for s in lake for a in s["Action"] if "Put" in a or "Delete" in a}
    described = json.loads(recorded.of("ConfigMap")["churn-x-descriptor"].inputs["data"]["descriptor.json"])
    assert described["store"]["lake"] == {"name": "shared", "bucket": "lake--shared-datasets-0badcafe"}


def test_a_lake_in_another_store_is_refused(run: Any, environment: Block) -> None:
    with pytest.raises(Exception, match="lake shared is in the store at"):
        run("dev", environment(cloud=cloud(REMOTE), store={"lake": "shared"}))


def test_each_generation_has_a_key_a_login_and_a_secret_of_its_own(run: Any, environment: Block) -> None:
    recorded = run("dev", environment(cloud=cloud(HERE), store={"generations": [2, 3]}))
    keys = of(recorded, "aws:iam/accessKey:AccessKey")
    assert set(keys) == {f"churn-x-store-{who}-key-{n}" for who in ("rw", "ro") for n in (2, 3)}
    secrets = {r.metadata["name"]: plain(r.inputs["stringData"]) for r in recorded.of("Secret").values()}
    assert set(secrets) == {f"store-{who}-{n}" for who in ("rw", "ro") for n in (2, 3)}
    for name, content in secrets.items():
        identity = name.removeprefix("store-")
        assert f"secret-of-churn-x-store-{identity.replace('-', '-key-')}" in content["credentials"]
        assert f"user=churn_x_0badcafe_{identity.replace('-', '_')}" in content["pg_service.conf"]
        assert json.loads(content["store.json"])["identity"] == identity.partition("-")[0]
    described = json.loads(recorded.of("ConfigMap")["churn-x-descriptor"].inputs["data"]["descriptor.json"])
    assert described["store"]["identities"] == {"rw": {"secret": "store-rw-3"}, "ro": {"secret": "store-ro-3"}}


def test_no_secret_leaves_but_as_a_secret(run: Any) -> None:
    for stack in ("dev", "lake", "prod"):
        recorded = run(stack)
        published = json.dumps(recorded.outputs) + json.dumps([r.inputs for r in recorded.of("ConfigMap").values()])
        assert not [word for word in ("secret-of-", "password-of-", "hidden-", "-key-1-id") if word in published]
        marked = [
            (r.name, key)
            for r in recorded.registrations
            for key, value in _leaves(r.inputs)
            if isinstance(value, str) and any(word in value for word in ("secret-of-", "password-of-", "hidden-"))
        ]
        assert marked == []


def _leaves(value: Any, key: str = "") -> Any:
    """Every value that is not inside a secret, with its key."""
    if isinstance(value, dict):
        if SIGNATURE not in value:
            for name, item in value.items():
                yield from _leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, key)
    else:
        yield key, value


def test_nobody_connects_to_the_database_but_its_identities(run: Any) -> None:
    recorded = run("dev")
    grants = of(recorded, "postgresql:index/grant:Grant")
    assert grants["churn-dev-store-database-public"]["privileges"] == []
    may_connect = {i["role"] for i in grants.values() if "CONNECT" in i["privileges"]}
    assert may_connect == {"churn_dev_0badcafe_rw", "churn_dev_0badcafe_ro", "churn_dev_0badcafe_b_alice"}
    roles = of(recorded, "postgresql:index/role:Role")
    assert {r["name"] for r in roles.values() if r["login"]} == {
        f"churn_dev_0badcafe_{who}_1" for who in ("rw", "ro", "bucket_alice")
    }
    assert grants["churn-dev-store-database-public-schema"]["privileges"] == []
    for role in roles.values():
        assert not {key for key in role if key in {"superuser", "createDatabase", "createRole", "replication"}}
        if role["login"]:
            assert role["assumeRole"] == role["roles"][0]


def test_logins_are_dropped_by_a_connection_to_the_database_where_they_might_own_something(run: Any) -> None:
    recorded = run("dev")
    providers = {r.provider.split("::")[-2] for r in recorded.registrations if r.inputs.get("assumeRole")}
    assert providers == {"churn-dev-store-logins"}
    assert of(recorded, "pulumi:providers:postgresql")["churn-dev-store-logins"]["database"] == "churn_dev_0badcafe"


def test_an_administrator_who_is_no_superuser_keeps_the_right_to_connect(run: Any, environment: Block) -> None:
    place = {**HERE, "database": {**HERE["database"], "superuser": False}}
    recorded = run("dev", environment(cloud=cloud(place)))
    grant = of(recorded, "postgresql:index/grant:Grant")["churn-x-store-database-administrator"]
    assert (grant["role"], grant["privileges"]) == ("terrarium", ["CONNECT"])
    assert of(recorded, "pulumi:providers:postgresql")["churn-x-store-database"]["superuser"] == "false"


def test_what_writers_make_in_a_bucket_is_the_buckets_to_use(run: Any) -> None:
    shared = of(run("dev"), "postgresql:index/defaultPrivileges:DefaultPrivileges")
    tables = {
        (i["owner"][19:], i["role"][19:], i["schema"]): i["privileges"]
        for i in shared.values()
        if i["objectType"] == "table"
    }
    assert tables == {
        ("rw", "ro", "public"): ["SELECT"],
        ("b_alice", "ro", "alice"): ["SELECT"],
        ("rw", "ro", "alice"): ["SELECT"],
        ("rw", "b_alice", "alice"): ["DELETE", "INSERT", "SELECT", "UPDATE"],
    }


def test_clients_verify_each_server_by_the_systems_authorities_or_those_that_its_administrators_files_name(
    run: Any, environment: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def service(recorded: Any) -> dict[str, str]:
        return dict(plain(recorded.of("Secret")["churn-x-store-ro-1"].inputs["stringData"]))

    usual = service(run("dev", environment(cloud=cloud(REMOTE))))
    assert "sslrootcert=system" in usual["pg_service.conf"]
    assert "ca_bundle = /var/run/terrarium/store/ca.crt" in usual["config"]
    assert usual["ca.crt"] == "objects' own\n"
    authorities = tmp_path / "own.crt"
    authorities.write_text("the database's own\n", encoding="utf-8")
    file = Path(os.environ["PGSERVICEFILE"])
    file.write_text(f"{file.read_text(encoding='utf-8')}sslrootcert={authorities}\n", encoding="utf-8")
    own = service(run("dev", environment(cloud=cloud(REMOTE))))
    assert "sslrootcert=/var/run/terrarium/store/ca.crt" in own["pg_service.conf"]
    assert own["ca.crt"] == "objects' own\nthe database's own\n"
    assert not {"ca.crt"} & service(run("dev", environment(cloud=cloud(HERE)))).keys()


def test_workloads_find_the_database_server_where_a_service_of_their_own_says(run: Any, environment: Block) -> None:
    place = {**REMOTE, "database": {**REMOTE["database"], "workloads": "pooler"}}
    recorded = run("dev", environment(cloud=cloud(place)))
    files = dict(plain(recorded.of("Secret")["churn-x-store-ro-1"].inputs["stringData"]))
    assert "host=10.1.2.9\nport=6432\n" in files["pg_service.conf"]
    assert "sslmode=verify-full" in files["pg_service.conf"]
    administered = of(recorded, "pulumi:providers:postgresql")["churn-x-store-database"]
    assert (administered["host"], administered["username"]) == ("10.1.2.3", "admin")
    [way] = [p for name, p in recorded.of("NetworkPolicy").items() if name.endswith("allow-store")]
    destinations = {
        (rule["to"][0]["ipBlock"]["cidr"], rule["ports"][0]["port"]) for rule in way.inputs["spec"]["egress"]
    }
    assert ("10.1.2.9/32", 6432) in destinations
    assert ("10.1.2.3/32", 5432) not in destinations


def test_who_may_read_which_keys_is_the_tiers_to_say(run: Any, environment: Block) -> None:
    people = {"members": ["team"], "readers": ["audit"], "automation": ["ci"], "promoters": ["leads"]}
    expected: dict[str, dict[str, set[str]]] = {
        "experimentation": {"rw": {"team", "ci"}, "ro": {"team", "audit", "ci"}},
        "testing": {"rw": {"ci"}, "ro": {"team", "audit", "ci"}},
        "production": {"ro": {"audit"}},
    }
    for tier, keys in expected.items():
        place = {**HERE, "database": {**HERE["database"], "point_in_time": ["at"]}}
        own = {"kubernetes": {"context": "c", "store": place}}
        who = {k: v for k, v in people.items() if tier != "production" or k != "members"}
        block = environment(tier, cloud=own if tier == "production" else cloud(place), people=who)
        assert _who_reads(run("dev", block)) == keys, tier


def _who_reads(recorded: Any) -> dict[str, set[str]]:
    named = {r.metadata["name"]: r.inputs["rules"] for r in recorded.of("Role").values()}
    found = {}
    for binding in recorded.of("RoleBinding").values():
        name = binding.metadata["name"]
        if not name.startswith("store-"):
            continue
        [rule] = named[name]
        assert (rule["resources"], rule["verbs"]) == (["secrets"], ["get"])
        assert rule["resourceNames"] == [f"{name}-1"]
        found[name.removeprefix("store-")] = {subject["name"] for subject in binding.inputs["subjects"]}
    return found


def test_a_bucket_is_for_whom_it_names(run: Any, environment: Block) -> None:
    buckets = {"alice": {"users": ["alice@example.org"]}, "sales": {"groups": ["sales-team"]}}
    recorded = run("dev", environment(cloud=cloud(HERE), buckets=buckets))
    found = {who: people for who, people in _who_reads(recorded).items() if who not in {"rw", "ro"}}
    assert found == {"bucket-alice": {"alice@example.org"}, "bucket-sales": {"sales-team"}}
    readers = recorded.of("RoleBinding")["churn-x-descriptor-reader-binding"].inputs["subjects"]
    assert {(s["kind"], s["name"]) for s in readers} >= {("User", "alice@example.org"), ("Group", "sales-team")}


def test_pods_get_through_to_a_store_beyond_the_cluster(run: Any, environment: Block) -> None:
    place = {"objects": {"profile": "remote", "cidrs": ["10.9.0.0/24"]}, "database": {"service": "remote"}}
    [policy] = [
        r.inputs["spec"]
        for name, r in run("dev", environment(cloud=cloud(place))).of("NetworkPolicy").items()
        if name.endswith("allow-store")
    ]
    through = {(e["to"][0]["ipBlock"]["cidr"], e["ports"][0]["port"]) for e in policy["egress"]}
    assert through == {("10.9.0.0/24", 443), ("10.1.2.3/32", 5432)}
    assert not [name for name in run("dev").of("NetworkPolicy") if name.endswith("allow-store")]


def test_a_store_that_takes_tokens_gets_no_key(run: Any, environment: Block) -> None:
    tokens = {"provider_arn": "arn:aws:iam::1:oidc-provider/k8s", "issuer": "k8s.example.org"}
    place = {**REMOTE, "objects": {**REMOTE["objects"], "tokens": tokens}}
    recorded = run("dev", environment(cloud=cloud(place)))
    assert not of(recorded, "aws:iam/accessKey:AccessKey")
    trust = json.loads(of(recorded, "aws:iam/role:Role")["churn-x-store-rw"]["assumeRolePolicy"])
    [statement] = trust["Statement"]
    assert statement["Condition"]["StringEquals"] == {
        "k8s.example.org:sub": "system:serviceaccount:churn-x:store-rw",
        "k8s.example.org:aud": "sts.amazonaws.com",
    }
    assert {"store-rw", "store-ro"} <= {r.metadata["name"] for r in recorded.of("ServiceAccount").values()}
    secret = plain(recorded.of("Secret")["churn-x-store-rw-1"].inputs["stringData"])
    assert "credentials" not in secret
    assert "role_arn = arn:aws:iam::000000000000:role/churn-x-rw-0badcafe" in secret["config"]


def test_a_store_without_an_iam_api_gives_supplied_accounts_their_rights_by_bucket_policy(
    run: Any, environment: Block
) -> None:
    accounts = {who: {"principal": f"user-{who}", "profile": f"account-{who}"} for who in ("rw", "ro")}
    place = {**HERE, "objects": {"profile": "terrarium-shared", "accounts": accounts}}
    recorded = run("dev", environment(cloud=cloud(place)))
    assert not [r for r in recorded.registrations if r.kind.startswith("aws:iam")]
    policy = json.loads(of(recorded, "aws:s3/bucketPolicy:BucketPolicy")["churn-x-store-models-policy"]["policy"])
    for statement in policy["Statement"]:
        assert {r.partition("/")[0] for r in statement["Resource"]} == {"arn:aws:s3:::churn-x-models-0badcafe"}
    principals = {p for s in policy["Statement"] for p in s["Principal"]["AWS"]}
    assert principals == {"user-rw", "user-ro"}
    writes = {p for s in policy["Statement"] for p in s["Principal"]["AWS"] if "s3:PutObject" in s["Action"]}
    assert writes == {"user-rw"}
    secret = plain(recorded.of("Secret")["churn-x-store-rw-1"].inputs["stringData"])
    assert "KEY-account-rw" in secret["credentials"]


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ({"objects": {"profile": "nobody"}, "database": HERE["database"]}, "AWS profile nobody has no keys in"),
        ({"objects": {"profile": "plain"}, "database": HERE["database"]}, "http://s3.example.org is not encrypted"),
        ({"objects": HERE["objects"], "database": {"service": "nobody"}}, "PostgreSQL service nobody is not in"),
        (
            {"objects": HERE["objects"], "database": {"service": "remote", "sslmode": "require"}},
            "sslmode require, which does not verify",
        ),
        ({"objects": {"profile": "account-rw"}, "database": HERE["database"]}, "says where the store is"),
        ({"objects": {"profile": "remote"}, "database": HERE["database"]}, "objects.cidrs is missing"),
    ],
)
def test_a_store_that_can_not_be_reached_safely_is_refused_before_anything_is_made(
    run: Any, environment: Block, store: dict[str, Any], says: str
) -> None:
    with pytest.raises(Exception, match=says) as refused:
        run("dev", environment(cloud=cloud(store)))
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({"buckets": {"alice": {}}}, "buckets"),
        ({"store": {"lake": "shared"}}, "store.lake"),
        ({"project": "pg", "cloud": cloud(HERE)}, "PostgreSQL's own"),
        ({"project": "xn--a", "cloud": cloud(HERE)}, "can't name an S3 bucket"),
        ({"cloud": cloud({"objects": HERE["objects"]})}, "store.database"),
        ({"cloud": cloud(HERE), "store": {"generations": [1, 3]}}, "do not follow each other"),
        ({"cloud": cloud(HERE), "buckets": {"public": {}}}, "can't name a bucket"),
        ({"cloud": cloud(HERE), "store": {"recovery": {"rpo_minutes": 5}}}, "point_in_time"),
        ({"cloud": cloud(HERE), "store": {"versioned": False, "recovery": {"rpo_minutes": 5}}}, "store.versioned"),
        ({"cloud": cloud(HERE), "store": {"recovery": {"keep_backups_days": 30}}}, "store.recovery.keep_backups_days"),
        (
            {
                "cloud": cloud(
                    {
                        **HERE,
                        "objects": {
                            "profile": "p",
                            "accounts": {who: {"principal": "p", "profile": who} for who in ("rw", "ro")},
                        },
                    }
                )
            },
            "two identities have one principal",
        ),
        (
            {
                "cloud": cloud(
                    {**HERE, "objects": {"profile": "p", "accounts": {"rw": {"principal": "p", "profile": "p"}}}}
                )
            },
            "give an account for ro, too",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(run: Any, environment: Block, block: dict[str, Any], says: str) -> None:
    with pytest.raises(Exception, match=says):
        run("dev", environment(**block))


def test_a_first_preview_knows_no_name_and_asks_for_no_secret(run: Any) -> None:
    recorded = run("dev", preview=True)
    assert len(of(recorded, "aws:s3/bucket:Bucket")) == 5
