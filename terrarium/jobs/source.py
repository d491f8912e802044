"""What is run, looked at before anything is made: it exists, and it compiles."""

from __future__ import annotations

import sys
from pathlib import Path

from terrarium.errors import InvalidInput


def examined(text: str) -> str:
    """Return what a job of a source is called after, once the source is known to exist and to compile.

    Args:
        text: A script, a package's folder, or either at a git commit, as `terrarium image build` takes it.

    Raises:
        InvalidInput: If there is no such thing, or it is not Python that compiles.
    """
    # Imported here: `terrarium jobs list` builds no image.
    from terrarium.images.source import opened  # noqa: PLC0415

    path = Path(text)
    if path.is_file() and path.suffix == ".py":
        # Before its imports are followed, which asks for code that can be read.
        _compile(path, text)
    with opened(text, f"{sys.version_info.major}.{sys.version_info.minor}") as found:
        files = dict(found.files)
        if found.package:
            files = {str(file.relative_to(found.package)): file for file in sorted(found.package.rglob("*.py"))}
        for name, file in files.items():
            if file.suffix == ".py" and ".venv" not in file.parts:
                _compile(file, name)
        return found.name


def _compile(file: Path, name: str) -> None:
    try:
        compile(file.read_bytes(), name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise InvalidInput(f"{name} does not compile: line {error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise InvalidInput(f"{name} does not compile: {error}") from None
    except OSError as error:
        raise InvalidInput(f"{name} can't be read: {error.strerror}") from None
