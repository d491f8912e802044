"""What `stacks/` registers for `benchmarks/reference/Pulumi.aws.yaml`, written out, and nothing else."""

import pulumi

from benchmarks.flat_aws.environment import environment

for key, value in environment().items():
    pulumi.export(key, value)
