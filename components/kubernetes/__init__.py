"""Any Kubernetes cluster that somebody else made, reached by a kubeconfig context: whole, or a slice of a platform."""

from components.contract import Cloud
from components.kubernetes.adapter import KubernetesCloud

cloud: Cloud = KubernetesCloud()

__all__ = ["cloud"]
