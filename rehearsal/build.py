"""Binaries from pinned Go modules, built once and kept in the cache under the hash of what they are made from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rehearsal import golang, versions
from rehearsal.errors import RehearsalError, explained
from rehearsal.locks import locked
from rehearsal.paths import cache
from rehearsal.progress import Report

# How many builds of one set stay in the cache: the one in use, and those of two other checkouts or branches.
KEPT = 3
_MANIFEST = "manifest.json"
_COREDNS = "terrarium.invalid/rehearsal/coredns"


@dataclass(frozen=True)
class Step:
    """One `go build`: packages that share their linker flags, so that Go works on them side by side."""

    packages: tuple[str, ...]
    link: str
    # The name of the one binary, where the package's last word would give a wrong one.
    name: str = ""


@dataclass(frozen=True)
class ChangedStep(Step):
    """A `go build` of a program of one file in which a text is replaced: for what its settings can't say."""

    dependency: str = ""
    path: str = ""
    old: str = ""
    new: str = ""


@dataclass(frozen=True)
class Copy:
    """Files taken as they are out of a dependency: `path` inside it, to `to` inside the set's folder."""

    dependency: str
    path: str
    to: str


@dataclass(frozen=True)
class Recipe:
    """How a set is made from a Go module: that of the same name, unless `module` names another."""

    steps: tuple[Step, ...]
    binaries: tuple[str, ...]
    copies: tuple[Copy, ...] = ()
    module: str = ""


def _recipes() -> Mapping[str, Recipe]:
    kubernetes = versions.kubernetes()
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    # Without these the API server calls itself v0.0.0-master and clients can't parse its version.
    component = "k8s.io/component-base/version"
    stamp = (
        f"-s -w -X {component}.gitVersion={kubernetes} -X {component}.gitMajor={major} "
        f"-X {component}.gitMinor={minor} -X {component}.gitTreeState=clean"
    )
    engine = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={versions.pulumi()}"
    control_plane = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    router = f"-s -w -X {versions.KUBE_ROUTER}/pkg/version.Version={versions.kube_router()}"
    sdk = "github.com/pulumi/pulumi/sdk/v3"
    gateway = "github.com/versity/versitygw"
    return {
        "pulumi": Recipe(
            steps=(Step(("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",), engine, "pulumi"),),
            binaries=("pulumi", "pulumi-language-python-exec", "pulumi-resource-pulumi-python"),
            copies=(
                Copy(sdk, "python/cmd/pulumi-language-python-exec", "pulumi-language-python-exec"),
                Copy(sdk, "python/dist/pulumi-resource-pulumi-python", "pulumi-resource-pulumi-python"),
            ),
        ),
        "kubernetes": Recipe(
            steps=(
                Step(tuple(f"k8s.io/kubernetes/cmd/{name}" for name in control_plane), stamp),
                Step(("go.etcd.io/etcd/server/v3",), "-s -w", "etcd"),
            ),
            binaries=("etcd", *control_plane),
        ),
        # Apart from the control plane, which also runs where no node can.
        "node": Recipe(
            steps=(Step(("k8s.io/kubernetes/cmd/kubelet", "k8s.io/kubernetes/cmd/kube-proxy"), stamp),),
            binaries=("kubelet", "kube-proxy"),
            module="kubernetes",
        ),
        "kube-router": Recipe(
            steps=(Step((f"{versions.KUBE_ROUTER}/cmd/kube-router",), router, "kube-router"),),
            binaries=("kube-router",),
        ),
        "coredns": Recipe(
            steps=(Step((_COREDNS,), "-s -w", "coredns"), Step((f"{_COREDNS}/pause",), "-s -w", "pause")),
            binaries=("coredns", "pause"),
        ),
        "kwok": Recipe(
            steps=(Step(("sigs.k8s.io/kwok/cmd/kwok",), "-s -w", "kwok"),),
            binaries=("kwok",),
            copies=(Copy("sigs.k8s.io/kwok", "kustomize/stage", "stage"),),
        ),
        "kueue": Recipe(
            steps=(
                ChangedStep(
                    (f"{versions.KUEUE}/cmd/kueue",),
                    f"-s -w -X {versions.KUEUE}/pkg/version.GitVersion={versions.kueue()}",
                    "kueue",
                    versions.KUEUE,
                    "cmd/kueue/main.go",
                    # Else it serves metrics, which nobody asks for here, with a certificate from this folder of the
                    # machine, and ends if there is none.
                    'metricsCertPath := "/etc/kueue/metrics/certs"',
                    "metricsCertPath := cfg.Webhook.CertDir",
                ),
            ),
            binaries=("kueue",),
            copies=tuple(
                Copy(versions.KUEUE, f"config/components/{path}", to)
                for path, to in (
                    ("crd/bases", "definitions"),
                    ("webhook/manifests.yaml", "webhooks.yaml"),
                    ("rbac/role.yaml", "role.yaml"),
                )
            ),
        ),
        "versitygw": Recipe(
            steps=(Step((f"{gateway}/cmd/versitygw",), f"-s -w -X main.Version={versions.versitygw()}", "versitygw"),),
            binaries=("versitygw",),
        ),
    }


SETS = ("pulumi", "kubernetes", "kwok", "versitygw")
"""What runs everywhere."""
QUEUE_SETS = ("kueue",)
"""What a platform with queues needs beside."""
NODE_SETS = ("node", "kube-router", "coredns")
"""What a real node needs beside."""
# The same paths and no repository state in the binaries: two checkouts make the same bytes.
_FLAGS = ("-trimpath", "-mod=readonly", "-buildvcs=false")


def build(sets: Sequence[str], report: Report) -> dict[str, Path]:
    """Return the folder of each set, building what the cache lacks.

    Args:
        sets: Names of `SETS`.
        report: Told about progress. Nothing is said when all is there.

    Raises:
        RehearsalError: Go is missing or too old, or a build failed; the text says what to do.
        ValueError: A set is unknown.
    """
    recipes = _recipes()
    if unknown := [name for name in sets if name not in recipes]:
        raise ValueError(f"unknown build set {unknown[0]!r}; there are {', '.join(SETS)}")
    folders = {name: _folder(name, recipes[name]) for name in sets}
    missing = [name for name in sets if not _in_use(folders[name])]
    total = sum(len(recipes[name].steps) for name in missing)
    done = 0
    for name in missing:
        with explained(f"The cache {cache()} can't be written"):
            _make(name, recipes[name], folders[name], _Count(report, done, total))
        done += len(recipes[name].steps)
    return folders


def built(name: str) -> Path | None:
    """Return the folder of a set if it is in the cache and complete; build nothing.

    Args:
        name: One of `SETS`.
    """
    try:
        folder = _folder(name, _recipes()[name])
    except RehearsalError:
        return None
    return folder if _complete(folder) else None


@dataclass
class _Count:
    report: Report
    done: int
    total: int

    def step(self, text: str) -> None:
        self.report.step(text, done=self.done, left=self.total - self.done)
        self.done += 1


def sources(name: str) -> str:
    """Return a digest of what a set is made from: the pinned modules and how they are built. It needs no Go.

    Args:
        name: One of `SETS`.
    """
    recipe = _recipes()[name]
    return _digest(_module(name, recipe), [_FLAGS, repr(recipe)])


def _folder(name: str, recipe: Recipe) -> Path:
    return (
        cache()
        / "builds"
        / f"{name}-{_digest(_module(name, recipe), [_FLAGS, repr(recipe), golang.settings(_module(name, recipe))])}"
    )


def _module(name: str, recipe: Recipe) -> str:
    return recipe.module or name


def _digest(module: str, rest: Sequence[object]) -> str:
    digest = hashlib.sha256()
    folder = versions.module_folder(module)
    for file in (folder / "go.mod", folder / "go.sum", *sorted(folder.rglob("*.go"))):
        digest.update(file.read_bytes())
    digest.update(json.dumps(rest, sort_keys=True).encode())
    return digest.hexdigest()[:20]


def _complete(folder: Path) -> bool:
    # The manifest is written last, so a half-made folder has none; sizes catch a file cut short or deleted since.
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return all((folder / file).stat().st_size == size for file, size in manifest["files"].items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def _in_use(folder: Path) -> bool:
    """Return whether a set is complete; note its use, as the least recently used ones leave the cache first."""
    if not _complete(folder):
        return False
    # A cache that others fill may be read-only.
    with suppress(OSError):
        (folder / _MANIFEST).touch()
    return True


def _make(name: str, recipe: Recipe, folder: Path, count: _Count) -> None:
    home = folder.parent
    home.mkdir(parents=True, exist_ok=True)
    lock = home / f".{name}.lock"
    with locked(lock, lambda: count.report.note(f"Another run is building '{name}'; waiting for it.")):
        if _complete(folder):
            return
        for stale in home.glob(f".{name}.new-*"):
            shutil.rmtree(stale, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{name}.new-", dir=home))
        try:
            _fill(name, recipe, fresh, count)
            # A folder that was complete once and lost a file stands in the way of the rename.
            shutil.rmtree(folder, ignore_errors=True)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _prune(name, folder)


def _fill(name: str, recipe: Recipe, fresh: Path, count: _Count) -> None:
    fresh.chmod(0o755)
    # Inside, so that the next build clears it away after a kill, as it does with all of this folder.
    scratch = fresh / ".scratch"
    scratch.mkdir()
    for step in recipe.steps:
        names = step.name or ", ".join(package.rsplit("/", 1)[-1] for package in step.packages)
        count.step(f"Building {names}")
        output = f"{fresh}{os.sep}{step.name}"
        flags = [*_FLAGS, "-ldflags", step.link, "-o", output]
        changed = [str(_changed(_module(name, recipe), step, scratch))] if isinstance(step, ChangedStep) else None
        golang.build(_module(name, recipe), flags, step.packages, scratch, count.report.detail, files=changed)
    shutil.rmtree(scratch)
    for copy in recipe.copies:
        _copy(golang.module_source(_module(name, recipe), copy.dependency) / copy.path, fresh / copy.to)
    for binary in recipe.binaries:
        (fresh / binary).chmod(0o755)
    files = {str(path.relative_to(fresh)): path.stat().st_size for path in sorted(fresh.rglob("*")) if path.is_file()}
    (fresh / _MANIFEST).write_text(json.dumps({"set": name, "files": files}, indent=1), encoding="utf-8")


def _changed(module: str, step: ChangedStep, scratch: Path) -> Path:
    text = (golang.module_source(module, step.dependency) / step.path).read_text(encoding="utf-8")
    if step.old not in text:
        raise RehearsalError(f"{step.path} of {step.dependency} does not say {step.old!r} any more; mend its recipe.")
    file = scratch / "main.go"
    file.write_text(text.replace(step.old, step.new), encoding="utf-8")
    return file


def _copy(source: Path, target: Path) -> None:
    # Go's module cache is read-only; copies that kept its modes could not be deleted.
    if source.is_dir():
        target.mkdir()
        for entry in source.iterdir():
            _copy(entry, target / entry.name)
    else:
        shutil.copyfile(source, target)
        target.chmod(0o644)


def _prune(name: str, used: Path) -> None:
    # A process that runs an old binary keeps it until it ends; only the name goes.
    others = [path for path in used.parent.glob(f"{name}-*") if path != used]
    others.sort(key=_last_use, reverse=True)
    for path in others[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _last_use(folder: Path) -> float:
    try:
        return (folder / _MANIFEST).stat().st_mtime
    except OSError:
        return 0.0
