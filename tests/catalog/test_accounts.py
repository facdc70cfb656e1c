from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.accounts import Account, check_account_id
from fanin.catalog.errors import InvalidQuery

UNHURRIED = settings(deadline=None)  # a slow machine is no failure


@pytest.mark.parametrize(
    ("now", "zone", "today"),
    [
        ("2026-03-18T12:00", "UTC", "2026-03-18"),
        ("2026-03-18T22:59", "Europe/Madrid", "2026-03-18"),
        ("2026-03-18T23:00", "Europe/Madrid", "2026-03-19"),
        ("2026-07-18T21:59", "Europe/Madrid", "2026-07-18"),  # summer time
        ("2026-07-18T22:00", "Europe/Madrid", "2026-07-19"),
        ("2026-03-18T03:59", "America/New_York", "2026-03-17"),
        ("2026-03-18T04:00", "America/New_York", "2026-03-18"),
        ("2026-03-18T10:00", "Pacific/Kiritimati", "2026-03-19"),
        ("2026-03-18T10:59", "Pacific/Pago_Pago", "2026-03-17"),
        ("2026-03-18T18:29", "Asia/Kolkata", "2026-03-18"),  # half an hour off
        ("2026-03-18T18:30", "Asia/Kolkata", "2026-03-19"),
        ("2026-03-29T00:59", "Europe/London", "2026-03-29"),  # the night the clocks change
        ("2025-12-31T23:30", "Europe/Madrid", "2026-01-01"),
        ("2024-02-29T23:30", "Europe/Madrid", "2024-03-01"),
    ],
)
def test_today_is_the_date_where_the_account_is(now, zone, today):
    assert Account("acme", zone).today(datetime.fromisoformat(now).replace(tzinfo=UTC)) == date.fromisoformat(today)


@UNHURRIED
@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), st.integers(-12, 14))
def test_today_does_not_depend_on_the_callers_zone(moment, hours):
    now = moment.replace(tzinfo=UTC)
    told_elsewhere = now.astimezone(timezone(timedelta(hours=hours)))

    assert Account("acme", "Asia/Tokyo").today(told_elsewhere) == Account("acme", "Asia/Tokyo").today(now)


def test_an_account_of_which_nothing_is_said_counts_utc_days_and_euros():
    assert Account("acme") == Account("acme", "UTC", "EUR", None, None, 0)


@pytest.mark.parametrize("account_id", ["a", "my-site", "Acme_2", "shop.example.com", "0", "a" * 64, "9-_."])
def test_a_slug_is_an_account_id(account_id):
    assert check_account_id(account_id) == account_id


@pytest.mark.parametrize(
    "account_id", ["", "-a", "_a", ".a", "..", "a b", "a/b", "a\n", "é", "aé", "a%2F", "a" * 65, "a" * 1000]
)
def test_anything_else_is_no_account_id_and_says_what_would_be(account_id):
    with pytest.raises(InvalidQuery) as refused:
        check_account_id(account_id)

    message = (
        f"'{account_id[:80]}' is no account id: letters, digits, '.', '_' and '-', at most 64, "
        "starting with a letter or digit"
    )
    assert refused.value.as_json() == {
        "code": "validation_error",
        "message": message,
        "detail": [{"field": "account_id", "message": message, "type": "value_error"}],
    }
