# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6"]
# ///
"""Trains a logistic regression on a CSV file: python train.py DATA.csv [--epochs 200] [--rate 0.5] [--seed 0].

The file's last column is the answer, 0 or 1; every other column is a number. It leaves `model.json`, the weights, and
`metrics.json`, how well it answers for the rows that it was not trained on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np


def main() -> None:
    """Read, train, measure, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    names = given.data.read_text(encoding="utf-8").splitlines()[0].split(",")
    table = np.loadtxt(given.data, delimiter=",", skiprows=1, ndmin=2)
    rows = np.random.default_rng(given.seed).permutation(table)
    x, y = rows[:, :-1], rows[:, -1]
    held = max(1, len(rows) // 4)
    mean, spread = x[held:].mean(axis=0), x[held:].std(axis=0) + 1e-9
    x = np.c_[np.ones(len(x)), (x - mean) / spread]

    weights = np.zeros(x.shape[1])
    for epoch in range(given.epochs):
        errors = 1 / (1 + np.exp(-x[held:] @ weights)) - y[held:]
        weights -= given.rate * x[held:].T @ errors / len(errors)
        if (epoch + 1) % 50 == 0:
            print(f"epoch {epoch + 1}: mean error {np.abs(errors).mean():.4f}")

    accuracy = float(((x[:held] @ weights > 0) == (y[:held] > 0.5)).mean())
    model = {"names": names[:-1], "mean": mean.tolist(), "spread": spread.tolist(), "weights": weights.tolist()}
    Path("model.json").write_text(json.dumps(model, indent=2), encoding="utf-8")
    Path("metrics.json").write_text(json.dumps({"accuracy": accuracy, "rows": len(rows)}), encoding="utf-8")
    print(f"accuracy {accuracy:.3f} on {held} rows")


if __name__ == "__main__":
    main()
