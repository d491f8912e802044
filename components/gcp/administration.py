"""How a store on Google Cloud is administered: not by keys, and its database only from inside its network."""

from __future__ import annotations

from components.contract import Administration
from components.gcp.settings import GcpSettings


def administration(settings: GcpSettings) -> Administration:
    """Return how a stack's store is administered.

    Cloud Storage takes S3's calls only with keys of long life, which nobody has here; the database's administrator's
    password stands in the state alone. Backups and points in time are Cloud SQL's, versions are Cloud Storage's.

    Args:
        settings: The `cloud.gcp` block.
    """
    return Administration(
        endpoint=None,
        iam_endpoint=None,
        region=settings.region,
        ca_bundle=None,
        access_key=None,
        secret_key=None,
        database={},
    )
