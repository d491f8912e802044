"""What an environment says about its images: base, Python, registry, and what its tier takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.settings.declaration import Declaration, declare, stack_files
from components.settings.image import ImageSettings
from components.settings.models import EnvironmentSettings
from components.settings.problems import InvalidSettings
from components.tiers import Tier
from policies.gates import book
from policies.gates.book import Book
from terrarium.errors import InvalidInput, Refused
from terrarium.site import find_root, surroundings


@dataclass(frozen=True)
class Target:
    """For which environment an image is built.

    Args:
        root: The project's checkout.
        environment: Its id.
        tier: Its tier.
        image: What images are built on.
        repository: Registry host and path of its images; None where only a person can say it.
        book: What security approves.
        variables: Of the tier: where registries are served, and where advisories are.
    """

    root: Path
    environment: str
    tier: Tier
    image: ImageSettings
    repository: str | None
    book: Book
    variables: Mapping[str, str]

    def whole(self, name: str) -> str:
        """Return an image's name with registry and path.

        Args:
            name: An image's name; with a host and path it is the whole name already.

        Raises:
            InvalidInput: Nothing says which registry it is in.
        """
        if "/" in name:
            return name
        if self.repository is None:
            raise InvalidInput(
                f"nothing says where images of {self.environment} are: set cloud.<cloud>.registry in its stack file, "
                f"or give the whole name, as registry.example/team/{name} (a build takes it with --name)"
            )
        return f"{self.repository}/{name}"

    def of(self, name: str) -> str:
        """Return the whole name of a repository, of a registry that security approves.

        Args:
            name: As `whole` takes it.

        Raises:
            InvalidInput: Nothing says which registry it is in, or it is no name.
            Refused: Security has not approved the registry.
        """
        from policies.rules import imageref  # noqa: PLC0415 - with the rest of the rules, 30 ms

        whole = self.whole(name)
        try:
            reference = imageref.parse(whole)
        except imageref.BadReferenceError as error:
            raise InvalidInput(f"{whole} is no name of an image: {error}") from None
        if reference.tag or reference.digest:
            raise InvalidInput(f"{whole} names a tag or digest; the build gives it one")
        approved = self.book.approved.registries
        if not any(reference.under(one) for one in approved):
            known = ", ".join(approved) or "none"
            raise Refused(
                f"{reference.name} is in no approved registry, so that nothing could run it; approved are: {known} "
                "(registries in policies/waivers/approved.yaml)"
            )
        return reference.name


def target(environment: str | None, root: Path | None) -> Target:
    """Return what an environment says.

    Args:
        environment: A stack's name or an environment's id; None if the project has only one that builds images.
        root: The project's checkout; by default the one around the present folder.

    Raises:
        InvalidInput: There is no such environment, or it says nothing about images.
        InvalidSettings: A file is wrong.
    """
    found = find_root(Path.cwd() if root is None else root.absolute())
    declaration = _declaration(environment, found)
    settings = declaration.settings
    if not isinstance(settings, EnvironmentSettings):
        raise InvalidInput(f"stack {declaration.stack} is a {declaration.kind}; images are built for environments")
    if settings.image is None:
        raise InvalidInput(
            f"environment {settings.id} does not say what images are built on: set `image` (base, python) in its stack "
            "file, or once for all in organisation.yaml"
        )
    return Target(
        root=found,
        environment=settings.id,
        tier=settings.tier,
        image=settings.image,
        repository=declaration.adapter.repository(settings),
        book=book.read(found, datetime.now(UTC).date()),
        variables=surroundings(found, declaration.tiers),
    )


def _declaration(name: str | None, root: Path) -> Declaration:
    stacks = stack_files(root)
    if name in stacks:
        return declare(root, str(name))
    found: dict[str, Declaration] = {}
    for stack in stacks:
        try:
            declaration = declare(root, stack)
        except InvalidSettings:
            # Another environment's broken file is not this person's problem.
            continue
        if isinstance(declaration.settings, EnvironmentSettings):
            found[declaration.settings.id] = declaration
    if name in found:
        return found[str(name)]
    known = ", ".join(f"{one.stack} ({key})" for key, one in sorted(found.items())) or "none"
    if name is None:
        if len(found) == 1:
            return next(iter(found.values()))
        raise InvalidInput(f"for which environment? Name it with -e; there are: {known}")
    raise InvalidInput(f"{root} declares no environment `{name}`; there are: {known}")
