"""`terrarium image build|show|verify`: images of scripts and packages, and what is known of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from terrarium.errors import InvalidInput
from terrarium.screen import Screen
from terrarium.sizes import size

if TYPE_CHECKING:
    from terrarium.images.known import Image

app = typer.Typer(help="Images of scripts and packages: build, show, verify.", no_args_is_help=True)

Env = Annotated[str | None, typer.Option("--env", "-e", help="A stack's name or an environment's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; progress stays on stderr.")]
Root = Annotated[
    Path | None, typer.Option("--root", help="The project's checkout; by default the one around this folder.")
]
Reference = Annotated[
    str, typer.Argument(help="NAME@sha256:…, or NAME:TAG; without a host in the environment's registry.")
]


@app.command()
def build(
    source: Annotated[
        str,
        typer.Argument(help="A script, a package's folder, REV:PATH of this repository, or git+URL@REV#PATH."),
    ],
    *,
    env: Env = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it; by default after the script or package.")
    ] = None,
    requirements: Annotated[
        Path | None,
        typer.Option("--requirements", help="A requirements file or pylock.toml, instead of what the source declares."),
    ] = None,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Resolve anew what an earlier build has resolved and kept.")
    ] = False,
    sign_key: Annotated[
        str | None,
        typer.Option(
            "--sign-key", envvar="TERRARIUM_SIGN_KEY", help="A private key's file (PEM), or its address: awskms:…, …"
        ),
    ] = None,
    sign_public: Annotated[
        str | None,
        typer.Option("--sign-public", envvar="TERRARIUM_SIGN_PUBLIC", help="For a key service: the public key (PEM)."),
    ] = None,
    as_json: AsJson = False,
    root: Root = None,
) -> None:
    """Build an image of a script or package and its locked requirements, and push it by digest."""
    # Imported here, as everywhere below: `--help` needs none of it.
    from terrarium.images.building import build as carry_out  # noqa: PLC0415 - `--help` needs none of it

    screen, begun = Screen(as_json=as_json), time.monotonic()
    built = carry_out(
        source,
        environment=env,
        name=name,
        requirements=requirements,
        root=root,
        sign_key=sign_key,
        sign_public=sign_public,
        upgrade=upgrade,
        say=screen.say,
    )
    document = {
        "reference": built.reference,
        "digest": built.digest,
        "entrypoint": built.entrypoint,
        "base": built.base,
        "scan": built.scan.as_dict(),
        "signer": built.signer or None,
        "cached": built.cached,
        "seconds": round(time.monotonic() - begun, 2),
    }
    rows = [("base", built.base), ("scan", str(built.scan)), ("signed", built.signer or "by nobody")]
    screen.result(document, title=f"{built.reference}{' (unchanged)' if built.cached else ''}", rows=rows)


@app.command()
def show(reference: Reference, *, env: Env = None, as_json: AsJson = False, root: Root = None) -> None:
    """Say what is known of an image, and print the record that security keeps of it."""
    from terrarium.images.known import find  # noqa: PLC0415 - as above
    from terrarium.images.target import target  # noqa: PLC0415 - as above

    screen = Screen(as_json=as_json)
    found = find(reference, target(env, root))
    told = found.papers
    document = {
        "reference": found.reference,
        "base": found.base,
        "entrypoint": found.entrypoint,
        "size": found.size,
        "components": told.components,
        "scan": told.scan.as_dict() if told.scan else None,
        "signer": told.signer,
        "provenance": told.provenance,
        "wrong": told.wrong,
        "record": {found.digest: found.record},
    }
    screen.result(document, title=found.reference, rows=_rows(found))
    if not as_json:
        screen.table([(line,) for line in _record(found)])


@app.command()
def verify(
    reference: Reference,
    *,
    env: Env = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="A public key (PEM) that counts, instead of those that security approves."),
    ] = None,
    as_json: AsJson = False,
    root: Root = None,
) -> None:
    """Check that an image's papers are whole, speak of it, and are signed by somebody who counts."""
    from terrarium.images.known import find, public_key  # noqa: PLC0415 - as above
    from terrarium.images.known import verify as check  # noqa: PLC0415 - as above
    from terrarium.images.target import target  # noqa: PLC0415 - as above

    wanted = target(env, root)
    if key is None and not wanted.book.signers:
        raise InvalidInput(
            "security approves no signer: name a public key with --key, or have one listed under `signers` in "
            "policies/waivers/approved.yaml"
        )
    found = find(reference, wanted, public_key(key.name, key) if key else None)
    check(found, wanted)
    document = {"reference": found.reference, "signer": found.papers.signer, "base": found.base}
    Screen(as_json=as_json).result(document, title=f"{found.reference}: signed by {found.papers.signer}")


def _rows(found: Image) -> list[tuple[str, str]]:
    told = found.papers
    return [
        ("base", found.base or "unknown"),
        ("runs", " ".join(found.entrypoint)),
        ("size", size(found.size)),
        ("packages", str(len(told.components))),
        ("scan", str(told.scan) if told.scan else "none is attached"),
        ("signed", f"by {told.signer}" if told.signer else "by nobody who counts"),
        *(("wrong", one) for one in told.wrong),
    ]


def _record(found: Image) -> list[str]:
    """Return the record as it stands in security's file."""
    shown = {**found.record, "release": '""'}
    values = (f"    {key}: {str(value).lower() if isinstance(value, bool) else value}" for key, value in shown.items())
    return [f"  {found.digest}:", *values]
