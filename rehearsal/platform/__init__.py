"""The embedded platform: a real Kubernetes control plane and data store on loopback, with simulated nodes."""

from rehearsal.platform.connections import Connections
from rehearsal.platform.control import Platform, names
from rehearsal.platform.status import PartStatus, Status

__all__ = ["Connections", "PartStatus", "Platform", "Status", "names"]
