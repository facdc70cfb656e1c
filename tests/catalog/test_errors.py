"""The vocabulary of failure, its classes, and the words they are told in.  Contract §4.3."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog import errors
from fanin.catalog.errors import (
    ERRORS,
    AccountNotFound,
    BadRequest,
    Forbidden,
    InternalError,
    InvalidQuery,
    NotFound,
    Overloaded,
    Problem,
    RateLimitExceeded,
    RequestTimeout,
    StatsError,
    Stopping,
    Unauthorized,
    WarehouseTimedOut,
    WarehouseUnavailable,
    suggestion,
)

UNHURRIED = settings(deadline=None)  # a slow machine is no failure

# The table of §4.3 where ours has the same code: its status, and whether asking again may help.
DOCUMENTED = {
    "bad_request": (400, False),
    "unauthorized": (401, False),
    "forbidden": (403, False),
    "not_found": (404, False),
    "account_not_found": (404, False),
    "method_not_allowed": (405, False),
    "payload_too_large": (413, False),
    "validation_error": (422, False),
    "rate_limit_exceeded": (429, True),
    "internal_error": (500, True),
    "database_unavailable": (503, True),
    "service_unavailable": (503, True),
    "gateway_timeout": (504, True),
    "dependency_failed": (None, False),
}
OURS = {  # RFC 9110, §6.16 and batch rules 5.2 and 5.3
    "request_timeout": (408, True),
    "unsupported_media_type": (415, False),
    "fail_fast": (None, False),
    "deadline": (None, True),
    "binding_empty": (None, False),
    "binding_failed": (422, False),
}

CLASSES = {
    BadRequest: ("bad_request", 400),
    InvalidQuery: ("validation_error", 422),
    Unauthorized: ("unauthorized", 401),
    Forbidden: ("forbidden", 403),
    NotFound: ("not_found", 404),
    AccountNotFound: ("account_not_found", 404),
    RequestTimeout: ("request_timeout", 408),
    RateLimitExceeded: ("rate_limit_exceeded", 429),
    WarehouseUnavailable: ("database_unavailable", 503),
    Overloaded: ("service_unavailable", 503),
    Stopping: ("service_unavailable", 503),
    WarehouseTimedOut: ("gateway_timeout", 504),
    InternalError: ("internal_error", 500),
}

every_class = pytest.mark.parametrize("kind", CLASSES)


def test_the_codes_are_the_documented_ones_with_their_status_and_a_few_of_ours():
    assert {code: (row.http_status, row.retry) for code, row in ERRORS.items()} == DOCUMENTED | OURS
    assert [row.code for row in ERRORS.values()] == list(ERRORS)
    assert [row.meaning for row in ERRORS.values() if not row.meaning.endswith(".")] == []


@every_class
def test_a_class_has_its_code_of_the_table_and_the_status_that_goes_with_it(kind):
    error = kind("words")

    assert (error.code, error.http_status) == CLASSES[kind]
    assert error.http_status == ERRORS[error.code].http_status


def test_the_tree_in_the_docstring_is_true():
    drawn = {name: int(status) for name, status in re.findall(r"[├└]── (\w+) +(\d+)", errors.__doc__ or "")}
    real = [kind for kind in StatsError.__subclasses__() if kind.__module__ == errors.__name__]

    assert drawn == {kind.__name__: kind("").http_status for kind in real}
    assert list(drawn) == [kind.__name__ for kind in real]
    assert set(real) == set(CLASSES)


@every_class
def test_an_error_without_detail_tells_code_and_message(kind):
    error = kind("words")
    code, status = CLASSES[kind]

    assert error.as_json() == {"code": code, "message": "words"}
    assert error.extensions == {"code": code, "message": "words", "status": status}
    assert str(error) == "words"


def test_a_code_that_is_only_known_inside_a_batch_still_has_a_status():
    class Skipped(StatsError):
        code = "dependency_failed"

    assert Skipped("words").http_status == 500


def test_several_problems_are_told_at_once_the_first_in_the_message():
    one, other = Problem("page", "page is wrong", "out_of_range"), Problem("search", "search is too long")

    assert InvalidQuery.of(one).as_json() == {
        "code": "validation_error",
        "message": "page is wrong",
        "detail": [{"field": "page", "message": "page is wrong", "type": "out_of_range"}],
    }
    assert InvalidQuery.of(one, other).as_json() == {
        "code": "validation_error",
        "message": "page is wrong (and 1 more)",
        "detail": [
            {"field": "page", "message": "page is wrong", "type": "out_of_range"},
            {"field": "search", "message": "search is too long", "type": "value_error"},
        ],
    }


def test_a_problem_is_seen_from_one_level_up_under_a_longer_path():
    assert Problem("page", "words", "kind").under("query") == Problem("query.page", "words", "kind")
    assert Problem("", "words").under("body.queries.0") == Problem("body.queries.0", "words")


@every_class
def test_a_copy_tells_the_same_and_is_another(kind):
    error = kind("words", [Problem("page", "wrong")])
    copy = error.copy()

    assert copy is not error
    assert type(copy) is kind
    assert copy.extensions == error.extensions


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("contries", ["countries", "campaigns"], " (did you mean 'countries'?)"),
        ("perido", ["period", "page"], " (did you mean 'period'?)"),
        ("page_sise", ["page", "page_size"], " (did you mean 'page_size'?)"),
        ("zzz", ["period", "page"], ""),
        ("", ["period"], ""),
        ("period", [], ""),
    ],
)
def test_the_nearest_known_word_is_suggested_and_nothing_far_off(word, known, expected):
    assert suggestion(word, known) == expected


@UNHURRIED
@given(st.text(), st.lists(st.text(min_size=1), min_size=1))
def test_a_suggestion_is_always_one_of_the_known_words(word, known):
    told = suggestion(word, known)

    assert told == "" or told in {f" (did you mean '{name}'?)" for name in known}


def test_a_known_word_is_its_own_nearest():
    assert all(suggestion(code, ERRORS) == f" (did you mean '{code}'?)" for code in ERRORS)
