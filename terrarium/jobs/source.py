"""What is run, looked at before anything is made: it exists, and it compiles."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from terrarium.errors import InvalidInput

if TYPE_CHECKING:
    from terrarium.images.source import Source


def examined(text: str, python: str | None = None) -> str:
    """Return what a job of a source is called after, once the source is known to exist and to compile.

    Args:
        text: A script, a package's folder, or either at a git commit, as `terrarium image build` takes it.
        python: The Python of its image, as `3.13`; by default this one.

    Raises:
        InvalidInput: If there is no such thing, or it is not Python that compiles.
    """
    # Imported here: `terrarium jobs list` builds no image.
    from terrarium.images.source import opened  # noqa: PLC0415

    with opened(text, None) as found:
        # A newer Python than this one may know more words.
        if found.takes(f"{sys.version_info.major}.{sys.version_info.minor}") and not _newer(python):
            for name, file in sorted(_modules(found).items()):
                _compile(file, name)
        return found.name


def _newer(python: str | None) -> bool:
    return python is not None and tuple(map(int, python.split("."))) > sys.version_info[:2]


def _modules(found: Source) -> dict[str, Path]:
    """Return the modules that will be in the image, by name. Of a package: those that it is started by.

    What else is in its folder goes in or not as the tool decides that builds it: examples, tests and what they need.
    """
    from terrarium.images import walk  # noqa: PLC0415 - as above

    if found.package is None:
        return {name: file for name, file in found.files.items() if file.suffix == ".py"}
    places = [folder / found.command[-1] for folder in (found.package, found.package / "src")]
    files = [file for place in places if place.is_dir() for file in walk.code(place)]
    files += [file for place in places if (file := place.with_suffix(".py")).is_file()]
    return {str(file.relative_to(found.package)): file for file in files if file.suffix == ".py"}


def _compile(file: Path, name: str) -> None:
    try:
        compile(file.read_bytes(), name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise InvalidInput(f"{name} does not compile: line {error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise InvalidInput(f"{name} does not compile: {error}") from None
    except OSError as error:
        raise InvalidInput(f"{name} can't be read: {error.strerror}") from None
