"""`connect`: from a name to an environment, and what an environment offers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from components.stores import layout
from components.stores.files import MOUNT
from terrarium.client.sources import Folder, InCluster, Source
from terrarium.client.store import Store
from terrarium.errors import InvalidInput

if TYPE_CHECKING:
    from components.settings.declaration import Declaration
    from terrarium.jobs.handle import Job

FOLDER_VARIABLE = "TERRARIUM_STORE"
"""The variable that names another folder."""
READ_WRITE = ("rw", "ro")
"""Identities for work: the first one that may be used is taken."""


class Environment:
    """An environment, or one bucket of it. Nothing is asked of it before it is used.

    Args:
        source: Knows the way to it.
        identities: Identities that may be used, the best one first.
        bucket: The bucket, or None for all of it.
    """

    def __init__(self, source: Source, identities: Sequence[str] = READ_WRITE, bucket: str | None = None) -> None:
        self._source = source
        self._identities = tuple(identities)
        self._bucket = bucket

    @property
    def id(self) -> str:
        """The environment's id, `<project>-<name>`."""
        return self._source.environment

    @cached_property
    def store(self) -> Store:
        """The data store. Reads who may use it how; makes no call to the store itself.

        Raises:
            Refused: If the person may not use it; it says which group may.
            InvalidInput: If there is no store or no such bucket; it says what to declare.
            CommandFailed: If the cluster can't be asked.
        """
        return Store(self._source.connection(self._bucket, self._identities))

    def __getitem__(self, bucket: str) -> Environment:
        """Return the same for one bucket (of a person, of a sub-project), by that bucket's own identity."""
        return Environment(self._source, self._identities, bucket)

    def run(self, source: str | os.PathLike[str] | None = None, args: Sequence[object] = (), **wishes: Any) -> Job:
        """Run a script or package as a job of this environment, or bucket, and return it; see `terrarium run`.

        Args:
            source: The script, the package's folder, or either at a git commit. None with `image`.
            args: What it is given.
            wishes: As the command takes them: `needs` (a mapping, or text), `array`, `inputs`, `outputs`, `name`,
                `retries`, `timeout`, `schedule`, `image`, `requirements`.

        Raises:
            InvalidInput: If something that was asked for is wrong; nothing was made.
            Refused: If it is not allowed, or could never run; nothing was made.
        """
        from terrarium.jobs.asking import asked  # noqa: PLC0415 - whoever runs nothing pays nothing
        from terrarium.jobs.handle import submitted  # noqa: PLC0415 - as above

        wish = asked(None if source is None else os.fspath(source), args, bucket=self._bucket, **wishes)
        return submitted(self._source, wish)

    def job(self, name: str) -> Job:
        """Return a job of this environment by its name; nothing is asked before it is used."""
        from terrarium.jobs.handle import known  # noqa: PLC0415 - see run

        return known(self._source, name, self._bucket)

    def __repr__(self) -> str:
        return f"<environment {self.id}{f', bucket {self._bucket}' if self._bucket else ''}>"

    def close(self) -> None:
        """Close what is open; whatever is used again opens anew."""
        if "store" in self.__dict__:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(
    name: str | None = None,
    *,
    context: str | None = None,
    root: str | os.PathLike[str] | None = None,
    identity: str | None = None,
) -> Environment:
    """Return an environment to work with. Makes no call: what may not be used is said when it is first used.

    Without a name it is the environment whose store is mounted as a folder: in pods, and where TERRARIUM_STORE names
    one. With a name, inside a checkout, the stack file says which cluster to ask; elsewhere, `context` does.

    Args:
        name: A stack's name (`dev`) or an environment's id (`churn-dev`); outside a checkout the id.
        context: The kubeconfig context of the environment's cluster. The current context is never used.
        root: The project's checkout; by default the one around the current folder, if there is one.
        identity: `rw`, `ro` or `bucket-<name>`; by default the first of rw and ro that the person may use.

    Raises:
        InvalidInput: If there is no such environment, or nothing says where it is.
        InvalidSettings: If its stack file is not valid.
        Refused: If nothing names the tier's state and cluster (see `terrarium.site.site`).
    """
    identities = READ_WRITE if identity is None else (identity,)
    return Environment(locate(name, context, root), identities)


def locate(name: str | None, context: str | None, root: str | os.PathLike[str] | None) -> Source:
    """Return who knows the way to an environment; arguments and errors as for `connect`."""
    if name is None:
        return _mounted()
    if context is not None:
        # Said here: the Kubernetes client notes the variable once, when it is imported.
        return InCluster(name, {"context": context}, os.environ.get("KUBECONFIG"))
    return _declared(name, None if root is None else Path(root).absolute())


def _declared(name: str, root: Path | None) -> InCluster:
    # Here and below imported when a checkout is read: in a pod the settings' models would cost 0.3 s for nothing.
    from components.settings.models import LakeSettings, PlatformSettings  # noqa: PLC0415
    from terrarium.site import site  # noqa: PLC0415

    found = _root(root)
    if found is None:
        raise InvalidInput(
            f"nothing says where environment {name} is: work in the project's checkout, or give its folder (`--root`, "
            "in Python root=), or the kubeconfig context of its cluster (`--context`, context=)"
        )
    declaration = _declaration(name, found)
    settings = declaration.settings
    if isinstance(settings, PlatformSettings):
        raise InvalidInput(f"stack {name} is a platform: it has no store to connect to")
    owner = layout.lake_id(settings.name) if isinstance(settings, LakeSettings) else settings.id
    return InCluster(owner, declaration.adapter.access(settings), site(found, declaration.tiers).kubeconfig, found)


def _mounted() -> Folder:
    path = Path(os.environ.get(FOLDER_VARIABLE) or MOUNT)
    if path.is_dir():
        return Folder(path)
    if os.environ.get(FOLDER_VARIABLE):
        raise InvalidInput(f"{FOLDER_VARIABLE} names {path}, which is no folder: mount the store's Secret there")
    raise InvalidInput(
        f"which environment? Give its name; without one, the store's Secret must be mounted at {MOUNT}, or at the "
        f"folder that {FOLDER_VARIABLE} names"
    )


def _root(given: Path | None) -> Path | None:
    from terrarium.site import find_root  # noqa: PLC0415 - see _declared

    if given is not None:
        return find_root(given)
    try:
        return find_root(Path.cwd())
    except InvalidInput:
        return None


def _declaration(name: str, root: Path) -> Declaration:
    """Return the stack of this name, or else the one that declares the environment of this id."""
    from components.settings.declaration import declare, stack_files  # noqa: PLC0415 - see _declared
    from components.settings.problems import InvalidSettings  # noqa: PLC0415 - see _declared

    stacks = stack_files(root)
    if name in stacks:
        return declare(root, name)
    ids = []
    for stack in stacks:
        try:
            declaration = declare(root, stack)
        except InvalidSettings:
            # Another environment's broken file is not this person's problem.
            continue
        found = getattr(declaration.settings, "id", None)
        if found == name:
            return declaration
        ids += [found] if found else []
    known = ", ".join([*stacks, *ids]) or "none"
    raise InvalidInput(f"{root} declares no environment `{name}`; stacks and ids there: {known}")
