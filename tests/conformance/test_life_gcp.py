"""The whole life of an environment on a rehearsed Google Cloud."""

from __future__ import annotations

from rehearsal.cloud.gcp import CLOUD
from tests.conformance.life import Drift, Life, LifeOfACloud


class TestGcp(LifeOfACloud):
    life = Life(
        cloud=CLOUD,
        account="life-experiments",
        region="europe-west3",
        block={
            "project": "life",
            "tier": "experimentation",
            "cloud": {
                "gcp": {
                    "project": "life-experiments",
                    "region": "europe-west3",
                    "security_group": "gke-security-groups@example.org",
                    "api": {"cidrs": ["203.0.113.0/24"]},
                    "database": {"version": "POSTGRES_16"},
                }
            },
            "network": {"cidr": "10.64.0.0/16"},
            "pools": {"general": {"cpu": 4, "memory": "16Gi", "max": 3}},
            "people": {"members": ["life-team@example.org"]},
        },
        upgraded={"database": {"version": "POSTGRES_17"}, "release_channel": "STABLE"},
        drift=Drift("compute/subnetwork:Subnetwork", "privateIpGoogleAccess", value=False),
    )
