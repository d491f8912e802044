"""The catalogue of rules as pure functions: no engine, no SDK, nothing else of this program.

`catalogue()` lists the rules; `check(resource, facts)` says what a resource violates. All gates call these two.
"""

from policies.rules.catalogue import TOPICS, catalogue
from policies.rules.checking import check, general, made_for, readers, reads, stack_of, unseen
from policies.rules.model import (
    STACK,
    UNKNOWN,
    Facts,
    Options,
    Resource,
    Rule,
    Secret,
    Severity,
    Tier,
    Violation,
)
from policies.rules.records import Deployment, Evidence, Sovereignty

__all__ = [
    "STACK",
    "TOPICS",
    "UNKNOWN",
    "Deployment",
    "Evidence",
    "Facts",
    "Options",
    "Resource",
    "Rule",
    "Secret",
    "Severity",
    "Sovereignty",
    "Tier",
    "Violation",
    "catalogue",
    "check",
    "general",
    "made_for",
    "readers",
    "reads",
    "stack_of",
    "unseen",
]
