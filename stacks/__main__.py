"""What the engine runs for every stack: one declaration in, one component built, its outputs exported."""

from pathlib import Path

import pulumi

from components.settings.problems import InvalidSettings
from stacks.program import build

try:
    outputs = build(Path(pulumi.get_root_directory()), pulumi.get_stack(), pulumi.Config("terrarium"))
except InvalidSettings as error:
    raise pulumi.RunError(str(error)) from None

for key, value in outputs.items():
    pulumi.export(key, value)
