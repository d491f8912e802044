"""Texts of programs and policy packs: what the engine is given to run."""

from __future__ import annotations

from collections.abc import Iterable

HEAD = """
import pulumi
from policies.cases import production
from policies.gates.book import Book
from policies.gates.verdicts import Judge

Custom, Options = pulumi.CustomResource, pulumi.ResourceOptions
DATABASE, MAP = "postgresql:index/database:Database", "kubernetes:core/v1:ConfigMap"
"""
GATED = """
from policies.gates.program import Gate
gate = Gate(Judge("s", production(), Book()))
gate.open()
"""
CLOSED = """
pulumi.export("rules", gate.close())
"""
PACK = """
from policies.cases import production
from policies.gates.book import Book
from policies.gates.crossguard import Pack, serve
from policies.gates.verdicts import Judge

serve(Pack(lambda told: Judge("s", production(), Book())))
"""


def gated(text: str) -> str:
    """Return a program that gate 2 judges as a production stack with an empty book."""
    return HEAD + GATED + text + CLOSED


def open_to_all(text: str) -> str:
    """Return a program that nothing judges by itself."""
    return HEAD + text


def cases_gated(numbers: Iterable[int], *, without_its_rule: bool = False) -> str:
    """Return a program that declares cases, each judged by its own facts by gate 2."""
    return f"""
import pulumi
from policies.gates.program import Gate
from tests.gates.by_case import ByCase
from tests.gates.declaring import declare

numbers = {list(numbers)}
gate = Gate(ByCase(numbers, without_its_rule={without_its_rule}))
gate.open()
declare(numbers)
pulumi.export("rules", gate.close())
"""


def cases_only(numbers: Iterable[int]) -> str:
    """Return a program that declares cases."""
    return f"from tests.gates.declaring import declare\ndeclare({list(numbers)})\n"


def cases_pack(numbers: Iterable[int], *, without_its_rule: bool = False) -> str:
    """Return a policy pack that judges each case by its own facts."""
    return f"""
from policies.gates.crossguard import Pack, serve
from tests.gates.by_case import ByCase

serve(Pack(lambda told: ByCase({list(numbers)}, without_its_rule={without_its_rule})))
"""
