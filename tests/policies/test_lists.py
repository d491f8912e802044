"""What security has decided reaches the cluster: lists, and which rules deny from when."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from policies.gates import cluster
from policies.gates.book import read
from policies.rules import Tier
from policies.rules.cluster_gate import Lists

DAY = date(2026, 12, 1)


def test_nothing_decided_approves_nothing(tmp_path: Path) -> None:
    assert cluster.lists(tmp_path) == Lists()


def test_security_s_files_become_lists(tmp_path: Path) -> None:
    folder = tmp_path / "policies" / "waivers"
    folder.mkdir(parents=True)
    sound, unsigned = (f"sha256:{digit * 64}" for digit in "ab")
    (folder / "approved.yaml").write_text("registries: [registry.example/churn]\ninputs: {testing: ['lake:sales']}")
    (folder / "images.yaml").write_text(
        "images:\n"
        f"  {sound}: {{scanned_on: 2020-01-01, clean: true, signed: true, release: '1'}}\n"
        f"  {unsigned}: {{scanned_on: 2020-01-01, clean: true, signed: false, release: '1'}}\n"
    )
    (folder / "rollout.yaml").write_text(
        "rules:\n"
        "  own-labels: {mode: audit, why: tried first}\n"
        "  no-node-name: {mode: off, why: not here}\n"
        f"  own-priority: {{mode: deny, from: {DAY}, why: soon}}\n"
    )
    decided = read(tmp_path, DAY)
    before = cluster.lists_of(decided, DAY - timedelta(days=1))
    # However old the scan is: a pod that must move to another node can't wait for a new one.
    waiting = ("no-node-name", "own-labels", "own-priority")
    assert before == Lists(("registry.example/churn",), (sound,), waiting, {Tier.TESTING: ("lake:sales",)})
    assert cluster.lists_of(decided, DAY).off == ("no-node-name", "own-labels")
