"""Stack files that stand under `environments/<project>/`: the engine looks for them beside Pulumi.yaml only."""

from __future__ import annotations

from pathlib import Path

import yaml

from components.settings.declaration import stack_files


def config_file(root: Path, stack: str) -> str | None:
    """Return the path to give the engine as `--config-file`, or None if it finds the stack's file by itself.

    Args:
        root: The folder of Pulumi.yaml.
        stack: The stack's name.
    """
    path = stack_files(root).get(stack)
    return None if path is None or path.parent == root else str(path)


def keep_one_file(root: Path, stack: str, path: str | None) -> None:
    """Move what `stack init` wrote to the stack's own file.

    The command takes no `--config-file`: it leaves the salt of the secrets in a new file beside Pulumi.yaml, which
    would then be taken for the stack's.

    Args:
        root: The folder of Pulumi.yaml.
        stack: The stack's name.
        path: The stack's own file, as `config_file` returns it.
    """
    stray = root / f"Pulumi.{stack}.yaml"
    if path is None or not stray.exists():
        return
    own = Path(path)
    text = own.read_text(encoding="utf-8")
    present = yaml.safe_load(text) or {}
    written = yaml.safe_load(stray.read_text(encoding="utf-8")) or {}
    missing = {key: value for key, value in written.items() if key not in present}
    if missing:
        own.write_text(f"{text.rstrip()}\n{yaml.safe_dump(missing, sort_keys=False)}", encoding="utf-8")
    stray.unlink()
