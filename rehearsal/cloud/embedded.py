"""The real parts behind rehearsed things, as a table names them: clusters, buckets, database servers and logins."""

from __future__ import annotations

import base64
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform
from rehearsal.platform.data import Data
from rehearsal.platform.layout import Layout
from rehearsal.platform.objects import DEFINITIONS, definition
from rehearsal.plugins.properties import Properties
from rehearsal.plugins.resource import ProviderError
from rehearsal.rented.platforms import Rehearsed

if TYPE_CHECKING:
    from rehearsal.cloud.table import Thing

# What EKS Auto Mode defines in each cluster (EKS user guide, "Create a Node Class", "Create a Node Pool"). AWS
# publishes no schema of its own kinds: they take any fields.
_AUTO_MODE = (
    ("karpenter.sh", "nodepools", "NodePool"),
    ("karpenter.sh", "nodeclaims", "NodeClaim"),
    ("eks.amazonaws.com", "nodeclasses", "NodeClass"),
)
# Roles that the services have in their servers: RDS user guide, "Understanding the rds_superuser role" and "IAM
# database authentication"; Cloud SQL's documentation, "About PostgreSQL users and roles".
_ROLES = {
    "aws": ("rds_superuser", "rds_iam"),
    "gcp": ("cloudsqlsuperuser", "cloudsqliamuser", "cloudsqliamserviceaccount"),
}
# Seconds until the API server serves a kind that was just defined; it takes less than one.
_PATIENCE = 20.0


class _Part(ABC):
    """What is made again whenever it is changed or looked at: making it changes nothing that is there."""

    def create(self, thing: Thing, inputs: Properties) -> Properties:
        """Make it, or what is missing of it; see `Embedded`."""
        with _explained():
            return self._make(thing, inputs)

    update = create

    def read(self, thing: Thing) -> Properties | None:
        """Heal it; see `Embedded`."""
        with _explained():
            return self._look(thing)

    def delete(self, thing: Thing) -> None:
        """Delete it; see `Embedded`."""
        with _explained():
            self._remove(thing)

    @abstractmethod
    def _make(self, thing: Thing, inputs: Properties) -> Properties: ...

    @abstractmethod
    def _remove(self, thing: Thing) -> None: ...

    def _look(self, thing: Thing) -> Properties | None:
        # The state has a digest of a password only: without one, the login's stays as it is.
        return self._make(thing, {**thing.inputs, "password": None})


class EksCluster(_Part):
    """A cluster of EKS, with the kinds of Auto Mode; deleted with all that lives in it."""

    def _make(self, thing: Thing, _: Properties) -> Properties:
        platform = _cluster(thing).start()
        _define_auto_mode(platform)
        return {"endpoint": f"https://{_server(platform)}", "certificateAuthority": {"data": _authority(platform)}}

    def _remove(self, thing: Thing) -> None:
        _cluster(thing).platform.reset()


class GkeCluster(_Part):
    """A cluster of GKE, which gives its address without `https://`; deleted with all that lives in it."""

    def _make(self, thing: Thing, inputs: Properties) -> Properties:
        platform = _cluster(thing).start()
        keys = {"clusterCaCertificate": _authority(platform), "clientCertificate": "", "clientKey": ""}
        return {"endpoint": _server(platform), "masterAuth": {**(inputs.get("masterAuth") or {}), **keys}}

    def _remove(self, thing: Thing) -> None:
        _cluster(thing).platform.reset()


class Bucket(_Part):
    """A bucket of S3, or of Cloud Storage, which says itself whether it keeps versions."""

    def _make(self, thing: Thing, inputs: Properties) -> Properties:
        data = _data(thing)
        data.make_bucket(_name(thing))
        if "versioning" in inputs and _cloud(thing) == "gcp":
            data.keep_versions(_name(thing), on=bool(inputs["versioning"].get("enabled")))
        return {}

    def _look(self, thing: Thing) -> Properties | None:
        return {} if _data(thing).has_bucket(_name(thing)) else None

    def _remove(self, thing: Thing) -> None:
        _data(thing).remove_bucket(_name(thing), force=bool(thing.inputs.get("forceDestroy")))


class Versioning(_Part):
    """Whether a bucket of S3 keeps versions."""

    def _make(self, thing: Thing, inputs: Properties) -> Properties:
        on = inputs["versioningConfiguration"]["status"] == "Enabled"
        _data(thing).keep_versions(str(inputs["bucket"]), on=on)
        return {}

    def _remove(self, thing: Thing) -> None:
        # Its bucket may be gone before it.
        if _data(thing).has_bucket(bucket := str(thing.inputs["bucket"])):
            _data(thing).keep_versions(bucket, on=False)


class RdsInstance(_Part):
    """A database server of RDS, with its master user; whoever may read its secret gets what `password_of` returns."""

    def _make(self, thing: Thing, inputs: Properties) -> Properties:
        login = _data(thing).make_login(_name(thing), str(inputs["username"]), inputs.get("password"))
        return {"address": login.host, "port": login.port, "endpoint": f"{login.host}:{login.port}"}

    def _remove(self, thing: Thing) -> None:
        _data(thing).remove_logins(_name(thing))


def password_of(instance: Thing) -> str | None:
    """Return the password of an RDS instance's master user, as Secrets Manager would; None if there is none."""
    return _data(instance).password(_name(instance), str(instance.inputs["username"]))


class SqlInstance(_Part):
    """A database server of Cloud SQL, by a private address; its users are made by `SqlUser`."""

    def _make(self, thing: Thing, _: Properties) -> Properties:
        data = _data(thing)
        host, _port = data.database_place()
        return {
            "privateIpAddress": host,
            "firstIpAddress": host,
            "ipAddresses": [{"ipAddress": host, "type": "PRIVATE", "timeToRetire": ""}],
            "serverCaCerts": [{"cert": data.authority(), "commonName": "terrarium-cluster"}],
        }

    def _remove(self, thing: Thing) -> None:
        _data(thing).remove_logins(_name(thing))


class SqlUser(_Part):
    """A user of a database server of Cloud SQL, with a password; deleted with what the user made."""

    def _make(self, thing: Thing, inputs: Properties) -> Properties:
        _data(thing).make_login(str(inputs["instance"]), _name(thing), inputs.get("password"))
        return {}

    def _remove(self, thing: Thing) -> None:
        _data(thing).remove_logins(str(thing.inputs["instance"]), _name(thing))


class SqlCertificate(_Part):
    """A client's certificate of Cloud SQL; the server asks nobody for one (`ENCRYPTED_ONLY`)."""

    def _make(self, thing: Thing, inputs: Properties) -> Properties:
        return _data(thing).client_certificate(str(inputs["instance"]), str(inputs["commonName"]))

    def _remove(self, thing: Thing) -> None:
        """Nothing: it opens nothing."""


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except RehearsalError as error:
        raise ProviderError(str(error)) from None


def _cloud(thing: Thing) -> str:
    # Twelve digits are no project's id, which begins with a letter.
    return "aws" if thing.account.isdigit() else "gcp"


def _name(thing: Thing) -> str:
    found = (thing.inputs.get(key) for key in ("name", "bucket", "identifier"))
    return str(next(filter(None, found), thing.name))


def _cluster(thing: Thing) -> Rehearsed:
    return Rehearsed(_cloud(thing), thing.account, str(thing.inputs.get("location") or thing.region), _name(thing))


def _data(thing: Thing) -> Data:
    cloud = _cloud(thing)
    return Data(Rehearsed(cloud, thing.account, thing.region).start(), _ROLES[cloud])


def _server(platform: Platform) -> str:
    return f"127.0.0.1:{platform.port('kube-apiserver')}"


def _authority(platform: Platform) -> str:
    """Return the authority that signed the API server's certificate: PEM in Base64, as clouds give it."""
    return base64.b64encode(Layout(platform.folder).authority.certificate.read_bytes()).decode("ascii")


def _define_auto_mode(platform: Platform) -> None:
    api = platform.api()
    for kind in _AUTO_MODE:
        content = definition(*kind)
        path = f"{DEFINITIONS}/{content['metadata']['name']}"
        if api.get(path) is None:
            api.apply(path, content)
    deadline = time.monotonic() + _PATIENCE
    while not all(api.answers(f"/apis/{group}/v1/{plural}") for group, plural, _ in _AUTO_MODE):
        if time.monotonic() > deadline:
            raise RehearsalError(f"The platform '{platform.name}' does not serve the kinds of EKS Auto Mode.")
        time.sleep(0.05)
