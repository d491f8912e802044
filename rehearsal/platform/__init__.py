"""The embedded platform: a real Kubernetes control plane on loopback, with simulated nodes."""

from rehearsal.platform.control import Platform, names
from rehearsal.platform.status import PartStatus, Status

__all__ = ["PartStatus", "Platform", "Status", "names"]
