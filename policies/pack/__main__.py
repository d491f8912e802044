"""Gate 1 as the engine starts it: `pulumi preview --policy-pack policies/pack`.

The rules, security's files and organisation.yaml are those that stand around this pack, so that CI can take them from a
pinned release; what the stack declares is what the engine says.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

# It lives as long as one preview: searching for garbage what SDK and settings bring costs a tenth of its time.
gc.disable()
ROOT = Path(__file__).resolve().parents[2]
CHECKOUT = next((one for one in (Path.cwd(), *Path.cwd().parents) if (one / "Pulumi.yaml").is_file()), Path.cwd())
# The engine starts a pack in the folder of the program that it judges.
sys.path.insert(0, str(ROOT))

from policies.gates.crossguard import Pack, Told, serve  # noqa: E402 - the path comes first

if TYPE_CHECKING:
    from policies.gates.verdicts import Judge


def appoint(told: Told) -> Judge:
    """Return who judges the stack that the engine works on."""
    from policies.gates import court  # noqa: PLC0415 - the engine does not wait for it

    return court.of_engine(ROOT, CHECKOUT, told.stack, told.config, os.environ)


serve(Pack(appoint))
