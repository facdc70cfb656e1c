import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.ingest.money import LARGEST, cents


@pytest.mark.parametrize(
    ("text", "amount"),
    [("12.50", 1250), ("0", 0), ("159000.0", 15_900_000), (" 7 ", 700), ("0.005", 1), ("0.0049", 0), ("0.29", 29)],
)
def test_an_amount_is_exact_to_the_cent(text, amount):
    assert cents(text) == amount


@pytest.mark.parametrize(
    "text", ["", "-1", "1,50", "1e9", "NaN", "Infinity", "12.", ".5", "$5", "1 000", "١٢", "9" * 15, "1.123456789"]
)
def test_anything_but_a_plain_amount_is_none(text):
    assert cents(text) is None


@given(st.text())
def test_no_text_makes_it_raise_or_leave_its_bounds(text):
    amount = cents(text)

    assert amount is None or 0 <= amount <= LARGEST


@given(st.integers(0, LARGEST))
def test_every_amount_of_whole_cents_comes_back(amount):
    assert cents(f"{amount // 100}.{amount % 100:02}") == amount
