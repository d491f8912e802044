"""A stand-in for the official `pulumi-aws` provider: S3 buckets and IAM users, on AWS or any store with these APIs.

Same inputs, outputs, ids and imports for the types in `provider.KINDS`. Not the same: other inputs and settings are
refused, nothing is asked of STS, and lifecycle rules can't filter by several tags.
"""
