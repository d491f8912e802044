"""What clouds have in their clusters and database servers, made on the platforms behind rehearsed ones."""

from __future__ import annotations

import base64
import time

from rehearsal.errors import RehearsalError
from rehearsal.platform import Platform
from rehearsal.platform.data import Data
from rehearsal.platform.layout import Layout
from rehearsal.platform.objects import DEFINITIONS, definition
from rehearsal.rented.platforms import Rehearsed

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


def rented(account: str, region: str, name: str = "") -> Rehearsed:
    """Return what stands for a cluster, or for an account's buckets and databases.

    Args:
        account: Account of AWS, or project of Google Cloud.
        region: Its region.
        name: The cluster's name; empty for the account's.
    """
    # Twelve digits are no project's id, which begins with a letter.
    return Rehearsed("aws" if account.isdigit() else "gcp", account, region, name)


def data(account: Rehearsed) -> Data:
    """Start what holds an account's buckets and databases, and return it.

    Args:
        account: One without a cluster.

    Raises:
        RehearsalError: It could not start.
    """
    return Data(account.start(), _ROLES[account.cloud])


def cluster(rented: Rehearsed) -> tuple[str, str]:
    """Start a cluster, and return its address, without `https://`, and its authority: PEM in Base64, as clouds give it.

    Args:
        rented: It is made as its cloud does: on AWS with the kinds of EKS Auto Mode.

    Raises:
        RehearsalError: It could not start.
    """
    platform = rented.start()
    if rented.cloud == "aws":
        _define_auto_mode(platform)
    authority = Layout(platform.folder).authority.certificate.read_bytes()
    return f"127.0.0.1:{platform.port('kube-apiserver')}", base64.b64encode(authority).decode("ascii")


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
