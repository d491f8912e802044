"""Start a plugin without paying for the whole Pulumi SDK.

`import pulumi` takes 0.5 s, most of it for parts no plugin needs. The generated protocol modules stand on their own, so
the two packages above them are entered in `sys.modules` as bare shells with a search path: 0.1 s.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


def launch(module: str) -> None:
    """Run the plugin in `rehearsal.plugins.<module>`: call its `main()`."""
    if "pulumi" not in sys.modules:
        _shell_packages()
    importlib.import_module(f"rehearsal.plugins.{module}").main()


def _shell_packages() -> None:
    spec = find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the Pulumi SDK is missing from {sys.prefix}; install the project's requirements there")
    folder = Path(spec.submodule_search_locations[0])
    # The last one's __init__ would import all 16 protocols; each plugin imports the few it speaks.
    for name, inner in (("pulumi", ""), ("pulumi.runtime", "runtime"), ("pulumi.runtime.proto", "runtime/proto")):
        path = folder / inner
        shell = ModuleType(name)
        shell.__path__ = [str(path)]
        sys.modules[name] = shell
