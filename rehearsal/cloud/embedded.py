"""The real parts behind rehearsed things, as a table names them: clusters, buckets, database servers and logins."""

# ruff: noqa: D102, ARG002 - the methods are those of `Embedded`.

from __future__ import annotations

from rehearsal.cloud.table import Embedded, Thing
from rehearsal.platform.data import Data
from rehearsal.plugins.properties import Properties
from rehearsal.rented import services
from rehearsal.rented.platforms import Rehearsed


class EksCluster(Embedded):
    """A cluster of EKS; deleted with all that lives in it."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        address, authority = services.cluster(_cluster(thing))
        return {"endpoint": f"https://{address}", "certificateAuthority": {"data": authority}}

    def delete(self, thing: Thing) -> None:
        _cluster(thing).platform.reset()


class GkeCluster(EksCluster):
    """A cluster of GKE, which gives its address without `https://`."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        address, authority = services.cluster(_cluster(thing))
        return {"endpoint": address, "masterAuth": {**inputs.get("masterAuth", {}), "clusterCaCertificate": authority}}


class Bucket(Embedded):
    """A bucket of S3, or of Cloud Storage, which says itself whether it keeps versions."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        data = _data(thing)
        data.make_bucket(_name(thing))
        if "versioning" in inputs:
            data.keep_versions(_name(thing), on=bool(inputs["versioning"].get("enabled")))
        return {}

    def read(self, thing: Thing) -> Properties | None:
        return {} if _data(thing).has_bucket(_name(thing)) else None

    def delete(self, thing: Thing) -> None:
        _data(thing).remove_bucket(_name(thing), force=bool(thing.inputs.get("forceDestroy")))


class Versioning(Embedded):
    """Whether a bucket of S3 keeps versions."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        _data(thing).keep_versions(_name(thing), on=inputs["versioningConfiguration"]["status"] == "Enabled")
        return {}

    def delete(self, thing: Thing) -> None:
        # Its bucket may be gone before it.
        if _data(thing).has_bucket(_name(thing)):
            _data(thing).keep_versions(_name(thing), on=False)


class RdsInstance(Embedded):
    """A database server of RDS, with its master user; whoever may read its secret gets what `password_of` returns."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        login = _data(thing).make_login(_name(thing), str(inputs["username"]), inputs.get("password"))
        return {"address": login.host, "port": login.port, "endpoint": f"{login.host}:{login.port}"}

    def delete(self, thing: Thing) -> None:
        _data(thing).remove_logins(_name(thing))


def password_of(instance: Thing) -> str | None:
    """Return the password of an RDS instance's master user, as Secrets Manager would; None if there is none."""
    return _data(instance).password(_name(instance), str(instance.inputs["username"]))


class SqlInstance(Embedded):
    """A database server of Cloud SQL, by a private address; its users are made by `SqlUser`."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        data = _data(thing)
        return {"privateIpAddress": data.database_place()[0], "serverCaCerts": [{"cert": data.authority()}]}

    def delete(self, thing: Thing) -> None:
        _data(thing).remove_logins(_name(thing))


class SqlUser(Embedded):
    """A user of a database server of Cloud SQL, with a password; deleted with what the user made."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        _data(thing).make_login(str(inputs["instance"]), _name(thing), inputs.get("password"))
        return {}

    def delete(self, thing: Thing) -> None:
        _data(thing).remove_logins(str(thing.inputs["instance"]), _name(thing))


class SqlCertificate(Embedded):
    """A client's certificate of Cloud SQL; the server asks nobody for one (`ENCRYPTED_ONLY`)."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        return _data(thing).client_certificate(str(inputs["instance"]), str(inputs["commonName"]))

    def delete(self, thing: Thing) -> None:
        """Nothing: it opens nothing."""


def _name(thing: Thing) -> str:
    return next(str(thing.inputs[key]) for key in ("name", "bucket", "identifier") if key in thing.inputs)


def _cluster(thing: Thing) -> Rehearsed:
    return services.rented(thing.account, str(thing.inputs.get("location") or thing.region), _name(thing))


def _data(thing: Thing) -> Data:
    return services.data(services.rented(*thing.place))
