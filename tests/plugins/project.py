"""A tiny Pulumi project that tests write programs for and run on the real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STACK = "dev"
# Other tests use the same platform.
NAMESPACE = "plugins"
RUN_SECONDS = 120


class Project:
    """One project with one stack, in a folder of its own.

    Args:
        engine: Folder of the engine, and of plugins that stand beside it.
        folder: An empty one.
        plugins: Folder of installed plugins, of which the engine takes what does not stand beside it; None for none.
    """

    def __init__(self, engine: Path, folder: Path, plugins: Path | None = None) -> None:
        self.engine = engine
        # What stand-ins say is ours to word; on official parts tests ask only what happens.
        self.words_are_ours = plugins is None
        self.folder = folder
        self.state_folder = folder / "state"
        self.state_folder.mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")},
            "PATH": f"{engine}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": self.state_folder.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "public",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
        if plugins:
            home = folder / "home"
            home.mkdir()
            # Nothing else of the person's own folder: it has their logins, and would keep what tests leave.
            (home / "plugins").symlink_to(plugins)
        runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
        (folder / "Pulumi.yaml").write_text(json.dumps({"name": "tests", "runtime": runtime}))
        self.pulumi("stack", "init", STACK)

    def write(self, program: str) -> None:
        """Make this the program."""
        (self.folder / "__main__.py").write_text(program)

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        """Run the engine; answer all it wrote. `fails` says which way it must end."""
        started = time.monotonic()
        done = subprocess.run(
            [self.engine / "pulumi", *arguments, "--non-interactive", "--color=never"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        written = done.stdout + done.stderr
        print(f"{time.monotonic() - started:5.1f} s  pulumi {' '.join(arguments)}")
        assert (done.returncode != 0) == fails, f"pulumi {' '.join(arguments)} ended with {done.returncode}:\n{written}"
        return written

    def told(self, written: str, *words: str) -> None:
        """Check that a stand-in's words are among all that was written; an official part has others."""
        missing = [word for word in words if word not in written]
        assert not (self.words_are_ours and missing), f"not said: {missing}, but:\n{written}"

    def up(self, *arguments: str, fails: bool = False) -> str:
        """Update without a preview before it."""
        return self.pulumi("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def steps(self) -> dict[str, tuple[str, set[str]]]:
        """Preview: each resource's operation, and the properties that differ; unchanged ones are left out."""
        done = json.loads(self.pulumi("preview", "--json").split("\n}\n")[0] + "\n}")
        return {
            step["urn"].split("::")[-1]: (step["op"], set(step.get("detailedDiff") or ()))
            for step in done["steps"]
            if step["op"] not in {"same", "delete-replaced", "create-replacement"}
        }

    def resources(self) -> dict[str, dict[str, Any]]:
        """The state, decrypted: each resource by its name."""
        done = subprocess.run(
            [self.engine / "pulumi", "stack", "export", "--show-secrets"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)["deployment"].get("resources", [])
        return {resource["urn"].split("::")[-1]: resource for resource in found}

    def stored(self) -> str:
        """All the text the state's files hold."""
        return "\n".join(path.read_text() for path in self.state_folder.rglob("*") if path.is_file())
