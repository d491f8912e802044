"""What the engine runs for every stack: one declaration in, one component built, its outputs exported."""

import gc
from pathlib import Path

import pulumi

from components.settings.problems import InvalidSettings

# The Kubernetes SDK brings 100,000 objects that live as long as the program. Searching them for garbage takes a third
# of its processor time: 0.1 s while they are imported, 0.3 s at the end. SDKs load their modules at first use, so the
# collector stays off until all is declared: that a store's were searched cost another tenth.
gc.disable()
from stacks.program import build  # noqa: E402 - imported while the collector is off

try:
    outputs = build(Path(pulumi.get_root_directory()), pulumi.get_stack(), pulumi.Config("terrarium"))
except InvalidSettings as error:
    raise pulumi.RunError(str(error)) from None

gc.freeze()
gc.enable()

for key, value in outputs.items():
    pulumi.export(key, value)
