"""Any Kubernetes cluster that somebody else made, reached by a kubeconfig context: whole, or a slice of a platform."""

from components.kubernetes.adapter import KubernetesCloud

cloud = KubernetesCloud()

__all__ = ["cloud"]
