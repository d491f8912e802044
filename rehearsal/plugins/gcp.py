"""What stands in for the official `pulumi-gcp` provider: the rehearsed Google Cloud of `rehearsal.cloud`."""

from __future__ import annotations

from rehearsal.cloud.gcp import CLOUD
from rehearsal.cloud.provider import CloudProvider
from rehearsal.plugins.resource import run


def main() -> None:
    """Serve one engine."""
    run(lambda log: CloudProvider(log, CLOUD))
