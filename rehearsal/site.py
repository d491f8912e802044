"""What the checkout needs to know of the rehearsal: one file of variables per tier, and a script to source.

Every tier's variables name its own state and kubeconfig. Production's state and passphrase are apart. The passphrases
are public on purpose: they protect nothing but a rehearsal.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from rehearsal.paths import pulumi_home

SHARED = "shared"
PRODUCTION = "prod"
_PLATFORMS = {"experimentation": SHARED, "testing": SHARED, "production": PRODUCTION}


def write(root: Path, local: Path, kubeconfigs: Mapping[str, Path]) -> None:
    """Write `<tier>.env` for each tier, `activate`, and `activate-production`.

    Args:
        root: The checkout.
        local: Its folder for what is never committed.
        kubeconfigs: Kubeconfig by name of the embedded platform.
    """
    for tier, platform in _PLATFORMS.items():
        state = local / "state" / platform
        state.mkdir(parents=True, exist_ok=True)
        variables = {
            # Without it the engine keeps a second file beside each state, which a kill can leave half-written.
            "PULUMI_BACKEND_URL": f"{state.as_uri()}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": "rehearsal" if platform == SHARED else "rehearsal-production",
            "PULUMI_HOME": str(pulumi_home()),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "KUBECONFIG": str(kubeconfigs[platform]),
        }
        _replace(local / f"{tier}.env", "".join(f"{key}={shlex.quote(value)}\n" for key, value in variables.items()))
    _replace(local / "activate", _script(root, local, "experimentation"))
    _replace(local / "activate-production", _script(root, local, "production"))


def _script(root: Path, local: Path, tier: str) -> str:
    path = f"{shlex.quote(str(local / 'bin'))}:{shlex.quote(str(root / '.venv' / 'bin'))}"
    return (
        f"# Source this file to work by hand: pulumi, terrarium and kubectl for {tier}.\n"
        f"set -a\n. {shlex.quote(str(local / f'{tier}.env'))}\nset +a\n"
        f'export PATH={path}:"$PATH"\n'
    )


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.chmod(0o600)
    draft.replace(path)
