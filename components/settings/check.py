"""Everything that is wrong in a project's files, found without an engine, a cluster or a cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from components.settings import documents
from components.settings.declaration import (
    Declaration,
    all_stack_files,
    declared,
    organisation_document,
    organisation_problems,
)
from components.settings.documents import Document
from components.settings.organisation import OrganisationSettings
from components.settings.plan import default_provider_problems, plan_problems
from components.settings.problems import InvalidSettings, Place, Problem, suggestion


@dataclass(frozen=True)
class Report:
    """What a check found.

    Args:
        checked: The files that were read, relative to the project's root; a check of nothing shows here.
        declarations: The valid ones, by stack.
        problems: Everything that is wrong, in order of file and line.
    """

    checked: Sequence[str]
    declarations: Mapping[str, Declaration]
    problems: Sequence[Problem]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check_project(root: Path, stacks: Sequence[str] | None = None) -> Report:
    """Check every stack file of a project, alone and against each other. A bad file hides nothing of the others.

    Args:
        root: The folder of Pulumi.yaml.
        stacks: Report on what concerns these stacks, and on organisation.yaml, only; all files are compared all the
            same, and a conflict is told to each stack that is part of it, whichever file it is placed in. None reports
            on all.
    """
    checking = _Checking(root)
    checking.run()
    problems, files = checking.problems, dict(checking.files)
    if stacks is not None:
        others = {file for stack, file in files.items() if stack not in stacks}
        problems = [p for p in problems if _told(p, stacks, others)]
        unknown = [stack for stack in stacks if stack not in files]
        problems.extend(Problem("stack", f"no stack `{s}`; {suggestion(s, files)}") for s in unknown)
    return Report(tuple(checking.checked), checking.declarations, tuple(sorted(dict.fromkeys(problems), key=_order)))


def _told(problem: Problem, stacks: Sequence[str], others: Set[str]) -> bool:
    if problem.concerns:
        return not problem.concerns.isdisjoint(stacks)
    return problem.place is None or problem.place.file not in others


def _order(problem: Problem) -> tuple[str, int, str, str]:
    place = problem.place or Place("")
    return (place.file, place.line or 0, problem.key, problem.message)


class _Checking:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.checked: list[str] = []
        self.files: dict[str, str] = {}
        self.declarations: dict[str, Declaration] = {}
        self.problems: list[Problem] = []

    def run(self) -> None:
        readable, organisation = self._organisation()
        stack_files = all_stack_files(self.root)
        if not stack_files:
            self.problems.append(Problem("project", "there is no stack file (Pulumi.STACK.yaml) here"))
        for stack, path in stack_files:
            self.problems.extend(self._twice(stack, path))
            document = self._read(path)
            if document is None:
                continue
            self.problems.extend(default_provider_problems(document))
            # Without what it inherits nearly every key would be missing: organisation.yaml's own problem says it all.
            if readable:
                self._declare(stack, document, organisation)
        valid = organisation is not None and not organisation_problems(organisation)
        settings = OrganisationSettings.model_validate(organisation.data) if organisation and valid else None
        self.problems.extend(plan_problems(self.declarations, settings))

    def _organisation(self) -> tuple[bool, Document | None]:
        try:
            document = organisation_document(self.root)
        except InvalidSettings as error:
            self.problems.extend(error.problems)
            return False, None
        if document is not None:
            self.checked.append(document.file)
            self.problems.extend(organisation_problems(document))
        return True, document

    def _twice(self, stack: str, path: Path) -> Iterator[Problem]:
        file = path.relative_to(self.root).as_posix()
        first = self.files.setdefault(stack, file)
        if first != file:
            yield Problem("file", f"stack {stack} already has a file, {first}: rename one of them", Place(file))

    def _read(self, path: Path) -> Document | None:
        self.checked.append(path.relative_to(self.root).as_posix())
        try:
            return documents.read(path, self.root)
        except InvalidSettings as error:
            self.problems.extend(error.problems)
            return None

    def _declare(self, stack: str, document: Document, organisation: Document | None) -> None:
        try:
            declaration = declared(stack, document, organisation)
        except InvalidSettings as error:
            self.problems.extend(error.problems)
        else:
            self.declarations.setdefault(stack, declaration)
