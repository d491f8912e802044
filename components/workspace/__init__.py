"""What each environment gets inside its cluster, the same on every cloud: it is built on the contract alone."""

from components.workspace.scope import Scope
from components.workspace.workspace import Workspace

__all__ = ["Scope", "Workspace"]
