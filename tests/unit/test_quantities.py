"""Quantities are compared as Kubernetes compares them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils import parse_quantity

from components.settings import quantities

suffixes = st.sampled_from(["", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
numbers = st.one_of(st.integers(0, 10**6).map(str), st.decimals(0, 1000, places=3).map(lambda d: f"{d:f}"))


@given(number=numbers, suffix=suffixes)
def test_a_quantity_is_worth_what_the_kubernetes_client_says(number: str, suffix: str) -> None:
    expected = parse_quantity(number + suffix)
    if expected > 2**63 - 1:
        with pytest.raises(ValueError, match="more than Kubernetes can count"):
            quantities.parse(number + suffix)
    else:
        assert quantities.parse(number + suffix) == expected


@pytest.mark.parametrize(("small", "large"), [("999m", "1"), ("1G", "1Gi"), ("1023Mi", "1Gi"), ("0", "1m")])
def test_quantities_of_different_units_compare(small: str, large: str) -> None:
    assert quantities.parse(small) < quantities.parse(large)


def test_half_a_core_is_written_in_two_ways() -> None:
    assert quantities.parse("500m") == quantities.parse("0.5") == Decimal("0.5")


@pytest.mark.parametrize("text", ["", "-1", "+1", "1 Gi", "1gb", "Gi", ".5", "1.", "inf", "nan", "٣", "1\n", "1KiB"])
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 500m, 4 or 64Gi"):
        quantities.parse(text)


@given(text=st.text(alphabet="0123456789.eEmkKMGiT-+ ", max_size=400))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    message = ""
    try:
        assert quantities.parse(text) >= 0
    except ValueError as error:
        message = str(error)
    assert len(message) < 200
