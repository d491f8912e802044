"""Keys of KMS, roles of IAM and groups of logs, as every part of a stack on AWS makes them.

Follows docs.aws.amazon.com: KMS developer guide ("Default key policy"), CloudWatch Logs user guide ("Encrypt log data
in CloudWatch Logs using AWS KMS"), and of the provider's resources aws_kms_key, aws_kms_alias, aws_iam_role,
aws_iam_role_policy, aws_iam_role_policy_attachment, aws_cloudwatch_log_group.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, iam, kms

from components.aws.place import Account, role_name, role_path

Statement = Mapping[str, Any]


@dataclass(frozen=True)
class Role:
    """A role that a service takes.

    Args:
        arn: Its ARN.
        name: Its name.
        rights: What gives it its rights. What uses it depends on them: made after them, and deleted before, or a
            service could no longer clean up behind itself.
    """

    arn: pulumi.Output[str]
    name: pulumi.Output[str]
    rights: Sequence[pulumi.Resource]


@dataclass(frozen=True)
class Shop:
    """Makes keys, roles and groups of logs for one stack.

    Args:
        name: Prefix of the logical names.
        owner: What the real names begin with.
        account: The account.
        protected: Whether keys are protected: whatever they encrypt is lost with them.
    """

    name: str
    owner: str
    account: Account
    protected: bool

    def key(self, purpose: str, *, logs: bool = False) -> pulumi.Output[str]:
        """Make a key and return its ARN.

        Args:
            purpose: What it is for, one word.
            logs: Whether CloudWatch Logs uses it.
        """
        account = self.account
        root = account.arn("iam", "root", region=False)
        statements: list[Statement] = [
            {
                "Sid": "ByIam",
                "Effect": "Allow",
                "Principal": {"AWS": root},
                "Action": "kms:*",
                "Resource": "*",
            }
        ]
        if logs:
            # Log groups of this account alone: without the condition the service could be made to use it by others.
            groups = {"kms:EncryptionContext:aws:logs:arn": account.arn("logs", "log-group:*")}
            statements.append(
                {
                    "Sid": "Logs",
                    "Effect": "Allow",
                    "Principal": {"Service": f"logs.{account.region}.{account.dns_suffix}"},
                    "Action": [
                        "kms:Encrypt*",
                        "kms:Decrypt*",
                        "kms:ReEncrypt*",
                        "kms:GenerateDataKey*",
                        "kms:Describe*",
                    ],
                    "Resource": "*",
                    "Condition": {"ArnLike": groups},
                }
            )
        key = kms.Key(
            f"{self.name}-{purpose}-key",
            description=f"{purpose} of {self.owner}",
            enable_key_rotation=True,
            # Days in which a deleted key can be brought back; AWS takes 7 to 30.
            deletion_window_in_days=30 if self.protected else 7,
            policy=document(statements),
            opts=pulumi.ResourceOptions.merge(account.opts, pulumi.ResourceOptions(protect=self.protected)),
        )
        kms.Alias(
            f"{self.name}-{purpose}-alias",
            name=f"alias/terrarium/{self.owner}/{purpose}",
            target_key_id=key.key_id,
            opts=account.opts,
        )
        return key.arn

    def role(
        self,
        purpose: str,
        service: str,
        *,
        managed: Sequence[str] = (),
        allowed: pulumi.Input[str] | None = None,
        tagged: bool = False,
        bounded: bool = True,
    ) -> Role:
        """Make a role that a service takes.

        Args:
            purpose: What it is for, one word.
            service: The service's name before its suffix, as `eks`.
            managed: AWS' policies that it has, by name.
            allowed: Document of a policy of its own.
            tagged: Whether the service tags its sessions.
            bounded: Whether it has the boundary; without, it is not CI's to change.
        """
        actions = ["sts:AssumeRole", "sts:TagSession"] if tagged else ["sts:AssumeRole"]
        # Service principals end with amazonaws.com in every partition (IAM user guide, "AWS service principals").
        trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": actions}
        role = iam.Role(
            f"{self.name}-{purpose}-role",
            name=role_name(self.owner, purpose),
            path=role_path(self.owner),
            assume_role_policy=document([trust]),
            permissions_boundary=self.account.boundary if bounded else None,
            opts=self.account.opts,
        )
        rights: list[pulumi.Resource] = [self.attached(role, purpose, policy) for policy in managed]
        if allowed is not None:
            rights.append(self.policy(role, purpose, allowed))
        return Role(role.arn, role.name, rights)

    def attached(self, role: iam.Role, purpose: str, policy: str) -> iam.RolePolicyAttachment:
        """Give a role one of AWS' policies.

        Args:
            role: The role.
            purpose: The role's.
            policy: The policy's name.
        """
        return iam.RolePolicyAttachment(
            f"{self.name}-{purpose}-{policy}",
            role=role.name,
            policy_arn=self.account.arn("iam", f"policy/{policy}", region=False, account=False),
            opts=self.account.opts,
        )

    def policy(self, role: iam.Role, purpose: str, allowed: pulumi.Input[str]) -> iam.RolePolicy:
        """Give a role a policy of its own.

        Args:
            role: The role.
            purpose: The role's.
            allowed: The policy's document.
        """
        return iam.RolePolicy(
            f"{self.name}-{purpose}-policy", name=purpose, role=role.name, policy=allowed, opts=self.account.opts
        )

    def logs(self, purpose: str, called: str, days: int, key: pulumi.Input[str]) -> cloudwatch.LogGroup:
        """Make a group of logs.

        Args:
            purpose: What it is for, one word.
            called: Its name.
            days: Days that they are kept.
            key: ARN of the key.
        """
        return cloudwatch.LogGroup(
            f"{self.name}-{purpose}-logs",
            name=called,
            retention_in_days=days,
            kms_key_id=key,
            opts=self.account.opts,
        )


def document(statements: Sequence[Statement]) -> str:
    """Return an IAM policy document; the same one for the same statements, whatever the order of their keys."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)
