"""What the engine runs for every stack: one declaration in, one component built, its outputs exported."""

import gc
from pathlib import Path

import pulumi

from components.settings.problems import InvalidSettings

# The Kubernetes SDK brings 100,000 objects that live as long as the program. Searching them for garbage takes a third
# of its processor time: 0.1 s while they are imported, 0.3 s at the end. What is made from here on is searched.
gc.disable()
from stacks.program import build  # noqa: E402 - imported while the collector is off

gc.freeze()
gc.enable()

try:
    outputs = build(Path(pulumi.get_root_directory()), pulumi.get_stack(), pulumi.Config("terrarium"))
except InvalidSettings as error:
    raise pulumi.RunError(str(error)) from None

for key, value in outputs.items():
    pulumi.export(key, value)
