"""Amazon Web Services: a VPC, an EKS cluster and a data store of one's own, or a slice of a platform that has them."""

from components.aws.adapter import AwsCloud
from components.contract import Cloud

cloud: Cloud = AwsCloud()

__all__ = ["cloud"]
