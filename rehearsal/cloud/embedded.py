"""The real parts behind rehearsed things, as a table names them: clusters, buckets, database servers and logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rehearsal.cloud.data import Data
from rehearsal.cloud.platforms import Rehearsed, make_cluster, remove_cluster
from rehearsal.plugins.properties import Properties

if TYPE_CHECKING:
    from rehearsal.cloud.table import Thing


class EksCluster:
    """A cluster of EKS."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Start it; its address and its authority are those of the embedded API server."""
        made = make_cluster("aws", thing.account, thing.region, _name(thing, inputs))
        return {"endpoint": made.url, "certificateAuthority": {"data": made.authority}}

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Start it, if it was stopped."""
        return self.create(thing, inputs)

    def read(self, thing: Thing) -> Properties | None:
        """Start it, if it was stopped."""
        return self.create(thing, thing.inputs)

    def delete(self, thing: Thing) -> None:
        """Delete it with all that lives in it."""
        remove_cluster("aws", thing.account, thing.region, _name(thing, thing.inputs))


class GkeCluster:
    """A cluster of GKE."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Start it; its address is given without `https://`, as GKE does."""
        made = make_cluster("gcp", thing.account, str(inputs["location"]), _name(thing, inputs))
        return {
            "endpoint": made.url.removeprefix("https://"),
            "masterAuth": {
                **(thing.inputs.get("masterAuth") or {}),
                "clusterCaCertificate": made.authority,
                "clientCertificate": "",
                "clientKey": "",
            },
        }

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Start it, if it was stopped."""
        return self.create(thing, inputs)

    def read(self, thing: Thing) -> Properties | None:
        """Start it, if it was stopped."""
        return self.create(thing, thing.inputs)

    def delete(self, thing: Thing) -> None:
        """Delete it with all that lives in it."""
        remove_cluster("gcp", thing.account, str(thing.inputs["location"]), _name(thing, thing.inputs))


class S3Bucket:
    """A bucket of S3; versions are kept as `S3Versioning` says."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Make it."""
        _data("aws", thing).make_bucket(str(inputs["bucket"]))
        return {}

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Have it there."""
        return self.create(thing, inputs)

    def read(self, thing: Thing) -> Properties | None:
        """Look whether it is there."""
        return {} if _data("aws", thing).has_bucket(str(thing.inputs["bucket"])) else None

    def delete(self, thing: Thing) -> None:
        """Delete it, with all that is in it if `forceDestroy` says so."""
        _data("aws", thing).remove_bucket(str(thing.inputs["bucket"]), force=bool(thing.inputs.get("forceDestroy")))


class S3Versioning:
    """Whether a bucket of S3 keeps versions."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Say it."""
        on = inputs["versioningConfiguration"]["status"] == "Enabled"
        _data("aws", thing).keep_versions(str(inputs["bucket"]), on=on)
        return {}

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Say it."""
        return self.create(thing, inputs)

    def read(self, thing: Thing) -> Properties | None:
        """Look whether its bucket is there."""
        return S3Bucket().read(thing)

    def delete(self, thing: Thing) -> None:
        """Keep no more versions, if the bucket is still there."""
        bucket = str(thing.inputs["bucket"])
        if (data := _data("aws", thing)).has_bucket(bucket):
            data.keep_versions(bucket, on=False)


class GcsBucket:
    """A bucket of Cloud Storage, with versions."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Make it."""
        data, name = _data("gcp", thing), _name(thing, inputs)
        data.make_bucket(name)
        data.keep_versions(name, on=bool((inputs.get("versioning") or {}).get("enabled")))
        return {}

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Make it as it is to be."""
        return self.create(thing, inputs)

    def read(self, thing: Thing) -> Properties | None:
        """Look whether it is there."""
        return {} if _data("gcp", thing).has_bucket(_name(thing, thing.inputs)) else None

    def delete(self, thing: Thing) -> None:
        """Delete it, with all that is in it if `forceDestroy` says so."""
        _data("gcp", thing).remove_bucket(_name(thing, thing.inputs), force=bool(thing.inputs.get("forceDestroy")))


class RdsInstance:
    """A database server of RDS, with its master user. Whoever may read its secret gets the password of `password_of`."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Make its master user, with the password of the inputs, or one that the service makes up and keeps."""
        given = inputs.get("password")
        login = _data("aws", thing).make_login(
            str(inputs["identifier"]), str(inputs["username"]), str(given) if given else None
        )
        return {"address": login.host, "port": login.port, "endpoint": f"{login.host}:{login.port}"}

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Set the password."""
        return self.create(thing, inputs)

    def read(self, thing: Thing) -> Properties | None:
        """Have the server run and the master user there; the password stays."""
        return self.create(thing, {**thing.inputs, "password": None})

    def delete(self, thing: Thing) -> None:
        """Delete the master user, with the roles and databases that it made."""
        _data("aws", thing).remove_logins(str(thing.inputs["identifier"]))


def password_of(instance: Thing) -> str | None:
    """Return the password of an RDS instance's master user, as Secrets Manager would; None if there is none."""
    return _data("aws", instance).password(str(instance.inputs["identifier"]), str(instance.inputs["username"]))


class SqlInstance:
    """A database server of Cloud SQL; its users are made by `SqlUser`."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Have the server run; its authority is the platform's."""
        platform = Rehearsed("gcp", thing.account, thing.region or str(inputs["region"])).start()
        authority = (platform.folder / "certificates" / "terrarium-cluster.crt").read_text(encoding="ascii")
        address = {"ipAddress": "127.0.0.1", "type": "PRIVATE", "timeToRetire": ""}
        return {
            "privateIpAddress": "127.0.0.1",
            "firstIpAddress": "127.0.0.1",
            "ipAddresses": [address],
            "serverCaCerts": [{"cert": authority, "commonName": "terrarium-cluster"}],
        }

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Have the server run."""
        return self.create(thing, inputs)

    def read(self, thing: Thing) -> Properties | None:
        """Have the server run."""
        return self.create(thing, thing.inputs)

    def delete(self, thing: Thing) -> None:
        """Delete what its users made, and them."""
        _data("gcp", thing).remove_logins(_name(thing, thing.inputs))


class SqlUser:
    """A user of a database server of Cloud SQL, with a password."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Make the user, or set the password."""
        given = inputs.get("password")
        data = _data("gcp", thing)
        data.make_login(str(inputs["instance"]), str(inputs["name"]), str(given) if given else None)
        return {}

    def update(self, thing: Thing, inputs: Properties) -> Properties:
        """Set the password."""
        return self.create(thing, inputs)

    def read(self, thing: Thing) -> Properties | None:
        """Have the user there; the password stays."""
        return self.create(thing, {**thing.inputs, "password": None})

    def delete(self, thing: Thing) -> None:
        """Delete the user, with the roles and databases that it made."""
        _data("gcp", thing).remove_logins(str(thing.inputs["instance"]), str(thing.inputs["name"]))


def _name(thing: Thing, inputs: Properties) -> str:
    return str(inputs.get("name") or thing.name)


def _data(cloud: str, thing: Thing) -> Data:
    return Data(cloud, thing.account, thing.region)
