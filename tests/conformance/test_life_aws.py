"""The whole life of an environment on a rehearsed AWS."""

from __future__ import annotations

from rehearsal.cloud.aws import CLOUD
from tests.conformance.life import Drift, Life, LifeOfACloud


class TestAws(LifeOfACloud):
    life = Life(
        cloud=CLOUD,
        account="210987654321",
        region="eu-central-1",
        block={
            "project": "life",
            "tier": "experimentation",
            "cloud": {
                "aws": {
                    "account": "210987654321",
                    "region": "eu-central-1",
                    "kubernetes_version": "1.33",
                    "api": {"cidrs": ["203.0.113.0/24"]},
                    "database": {"authorities": "AUTHORITIES", "version": "16"},
                }
            },
            "network": {"cidr": "10.64.0.0/16"},
            "pools": {"general": {"cpu": 4, "memory": "16Gi", "max": 3}},
            "people": {"members": ["life-team"]},
        },
        upgraded={"kubernetes_version": "1.34"},
        drift=Drift("ec2/vpc:Vpc", "enableDnsHostnames", value=False),
    )
