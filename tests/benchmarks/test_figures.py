from __future__ import annotations

import sys

import pytest
from rich.console import Console

from benchmarks import measured, table
from benchmarks.figures import Figure, Spread, missed
from benchmarks.workshop import CommandFailedError, bare_environment, run, workshop


def test_quartiles_are_between_samples() -> None:
    assert Spread((4.0, 1.0, 3.0, 2.0, 5.0)).median == 3.0
    assert Spread((4.0, 1.0, 3.0, 2.0, 5.0)).quartiles == (2.0, 4.0)
    assert Spread((7.0,)).quartiles == (7.0, 7.0)


def test_relative_target_is_for_the_ratio_of_medians() -> None:
    figure = Figure("f", "s", ours=Spread((1.1, 2.2, 3.3)), reference=Spread((1.0, 2.0, 2.0)), target=1.10)
    assert figure.ratio == pytest.approx(1.1)
    assert figure.pairs is not None
    assert figure.pairs.samples == pytest.approx((1.1, 1.1, 1.65))
    assert Figure("f", "s", ours=figure.ours, reference=figure.reference, target=1.11).met is True
    assert Figure("f", "s", ours=figure.ours, reference=figure.reference, target=1.09).met is False


def test_absolute_target_and_none() -> None:
    slow = Figure("slow", "s", ours=Spread((11.0,)), target=10.0)
    explains = Figure("explains", "s", ours=Spread((11.0,)), target=None)
    assert slow.met is False
    assert explains.met is None
    assert missed([slow, explains, Figure("quick", "s", ours=Spread((9.0,)), target=10.0)]) == ["slow"]


def test_table_says_what_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    table.show([Figure("start", "s", ours=Spread((11.0,)), target=10.0)], Console(width=120))
    shown = capsys.readouterr().out
    assert "start [s]" in shown
    assert "MISSED" in shown


def test_measured_counts_the_program_and_passes_its_code_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("measured")
    note, program = folder / "note", folder / measured.PROGRAM
    program.write_text(
        "import sys, time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nsys.exit(3)"
    )

    monkeypatch.setattr(sys, "argv", ["measured", str(note), sys.executable, "-c", "pass"])
    assert measured.main() == 0
    assert not note.exists()

    monkeypatch.setattr(sys, "argv", ["measured", str(note), sys.executable, str(program)])
    assert measured.main() == 3
    assert float(note.read_text()) >= 0.2


def test_failed_command_is_told_with_its_last_lines() -> None:
    with workshop() as folder, pytest.raises(CommandFailedError, match="ended with code 7:\nno such stack"):
        run([sys.executable, "-c", "import sys; print('no such stack'); sys.exit(7)"], folder, bare_environment())
    assert not folder.exists()
