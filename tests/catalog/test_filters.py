"""Filters: how they are written, and the one form in which equal ones are equal.  Contract §2.4."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.dimensions import DIMENSIONS
from fanin.catalog.errors import BadRequest, InvalidQuery
from fanin.catalog.filters import (
    FILTER_FIELDS,
    MAX_FILTERS,
    MAX_VALUE_LENGTH,
    MAX_VALUES,
    OPERATORS,
    Filter,
    Match,
    make_filter,
    parse_country,
    parse_filters,
)

UNHURRIED = settings(deadline=None)  # a slow machine is no failure

FIELDS_TEXT = (
    "utm_source, utm_medium, utm_campaign, utm_term, utm_content, country, device_type, browser, os, path, referrer, "
    "channel, content_grouping, landing_page"
)
OPERATORS_TEXT = "eq, ne, contains, not_contains, regex, not_regex, in, not_in"

# Values that the text form can carry: no comma, no bar, no blank at the ends, where it would be trimmed.
writable = st.text(st.characters(codec="utf-8", exclude_characters=",|\x00"), min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)
literal = writable.map(re.escape).filter(lambda text: "," not in text and "|" not in text and text == text.strip())


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    field, operator = draw(st.sampled_from(FILTER_FIELDS)), draw(st.sampled_from(list(OPERATORS.values())))
    value = st.sampled_from(["^a", "b$", r"\d+", "[xy]"]) if operator.match is Match.REGEX else writable
    most = 4 if operator.many else 1
    return make_filter(field, operator.name, draw(st.lists(value, min_size=1, max_size=most)))


NAMES = {(op.match, op.negated): op.name for op in OPERATORS.values()}  # the last of a kind wins: in, not_in


def printed(conditions: tuple[Filter, ...]) -> str:
    return ",".join(
        f"{condition.field}:{NAMES[condition.match, condition.negated]}:{'|'.join(condition.values)}"
        for condition in conditions
    )


def refusal(text: str) -> str:
    with pytest.raises(BadRequest) as refused:
        parse_filters(text)
    return refused.value.message


def test_the_operators_are_the_documented_eight():
    assert [(op.name, op.match.value, op.negated, op.many) for op in OPERATORS.values()] == [
        ("eq", "one_of", False, False),
        ("ne", "one_of", True, False),
        ("contains", "contains", False, False),
        ("not_contains", "contains", True, False),
        ("regex", "regex", False, False),
        ("not_regex", "regex", True, False),
        ("in", "one_of", False, True),
        ("not_in", "one_of", True, True),
    ]


def test_the_fields_are_the_documented_eleven_and_three_of_other_parameters():
    assert ", ".join(FILTER_FIELDS) == FIELDS_TEXT
    assert set(FILTER_FIELDS) <= set(DIMENSIONS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("utm_source:eq:Google", Filter("utm_source", Match.ONE_OF, False, ("google",))),
        ("utm_source:ne:google", Filter("utm_source", Match.ONE_OF, True, ("google",))),
        ("path:contains:/Blog", Filter("path", Match.CONTAINS, False, ("/Blog",))),
        ("browser:not_contains:Fire", Filter("browser", Match.CONTAINS, True, ("fire",))),
        ("os:regex:^(Mac|iOS)", Filter("os", Match.REGEX, False, ("^(Mac|iOS)",))),
        ("os:not_regex:^Win", Filter("os", Match.REGEX, True, ("^Win",))),
        ("country:in:es|PT|fr", Filter("country", Match.ONE_OF, False, ("es", "fr", "pt"))),
        ("device_type:not_in:mobile|tablet", Filter("device_type", Match.ONE_OF, True, ("mobile", "tablet"))),
        ("path:eq:/a|b", Filter("path", Match.ONE_OF, False, ("/a|b",))),
        ("path:eq:/a:b:c", Filter("path", Match.ONE_OF, False, ("/a:b:c",))),
        ("referrer:eq:https://example.com/", Filter("referrer", Match.ONE_OF, False, ("https://example.com/",))),
        ("utm_term:eq:", Filter("utm_term", Match.ONE_OF, False, ("",))),
        ("utm_term:in:|shoes", Filter("utm_term", Match.ONE_OF, False, ("", "shoes"))),
        ("utm_campaign:eq:(not set)", Filter("utm_campaign", Match.ONE_OF, False, ("(not set)",))),
    ],
)
def test_each_operator_is_read_into_its_canonical_form(text, expected):
    assert parse_filters(text) == (expected,)


def test_commas_join_several_and_blanks_around_them_are_nothing():
    assert parse_filters(" country:eq:ES , path:contains:/shop ,,") == (
        Filter("country", Match.ONE_OF, False, ("es",)),
        Filter("path", Match.CONTAINS, False, ("/shop",)),
    )
    assert parse_filters("") == parse_filters(" , ") == ()


@pytest.mark.parametrize(
    "spellings",
    [
        ["country:eq:ES", "country:eq:es", "country:in:ES", "country:in:es|ES", " country:in:Es "],
        ["country:ne:ES", "country:not_in:es"],
        ["country:in:es|pt", "country:in:PT|ES", "country:in:pt|es|pt"],
        ["utm_source:contains:Goo", "utm_source:contains:goo", "utm_source:contains:GOO"],
        ["path:in:/b|/a", "path:in:/a|/b"],
    ],
)
def test_equal_filters_are_equal_values_however_they_are_spelled(spellings):
    assert len({parse_filters(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize("field", FILTER_FIELDS)
def test_case_counts_exactly_where_the_dimension_says_so(field):
    for operator in ("eq", "in", "contains", "not_contains"):
        same = make_filter(field, operator, ["ABC"]) == make_filter(field, operator, ["abc"])
        assert same == DIMENSIONS[field].ignore_case


def test_addresses_alone_are_compared_to_the_letter():
    assert [field for field in FILTER_FIELDS if not DIMENSIONS[field].ignore_case] == ["path", "referrer"]


@UNHURRIED
@given(st.lists(filters(), max_size=5).map(tuple))
def test_parsing_what_was_printed_gives_the_same_filters(conditions):
    assert parse_filters(printed(conditions)) == conditions


@UNHURRIED
@given(st.sampled_from(FILTER_FIELDS), st.lists(writable, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_and_repetition_of_list_values_do_not_matter(field, values, random):
    shuffled = [*values, random.choice(values)]
    random.shuffle(shuffled)

    assert make_filter(field, "in", shuffled) == make_filter(field, "in", values)


@UNHURRIED
@given(st.sampled_from(FILTER_FIELDS), literal)
def test_an_escaped_text_is_a_pattern_as_it_stands(field, pattern):
    assert make_filter(field, "regex", [pattern]).values == (pattern,)


def test_a_filter_that_is_not_of_the_form_says_which_is():
    assert refusal("country") == "filters: 'country' is not of the form field:op:value"
    assert refusal("country:es") == "filters: 'country:es' is not of the form field:op:value"
    assert refusal("country:eq:es,fr") == "filters: 'fr' is not of the form field:op:value"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utm_sorce:eq:a", f"filters: unknown field 'utm_sorce' (did you mean 'utm_source'?); accepted: {FIELDS_TEXT}"),
        ("zzz:eq:a", f"filters: unknown field 'zzz'; accepted: {FIELDS_TEXT}"),
        ("goal:eq:a", f"filters: unknown field 'goal'; accepted: {FIELDS_TEXT}"),
        (":eq:a", f"filters: unknown field ''; accepted: {FIELDS_TEXT}"),
        ("os:contain:a", f"filters: unknown operator 'contain' (did you mean 'contains'?); accepted: {OPERATORS_TEXT}"),
        ("os:neq:a", f"filters: unknown operator 'neq' (did you mean 'ne'?); accepted: {OPERATORS_TEXT}"),
        ("os:starts_with:a", f"filters: unknown operator 'starts_with'; accepted: {OPERATORS_TEXT}"),
        ("os::a", f"filters: unknown operator ''; accepted: {OPERATORS_TEXT}"),
    ],
)
def test_an_unknown_field_or_operator_is_named_beside_what_is_accepted(text, message):
    assert refusal(text) == message


@pytest.mark.parametrize("operator", [op.name for op in OPERATORS.values() if not op.many])
@pytest.mark.parametrize("values", [[], ["a", "b"]])
def test_an_operator_of_one_value_takes_exactly_one(operator, values):
    with pytest.raises(BadRequest) as refused:
        make_filter("os", operator, values)

    assert refused.value.message == f"filters: os:{operator} takes exactly one value, got {len(values)}"


@pytest.mark.parametrize("operator", ["in", "not_in"])
def test_a_list_operator_takes_up_to_a_hundred_values(operator):
    most = [f"v{number:03}" for number in range(MAX_VALUES)]

    assert make_filter("os", operator, most).values == tuple(most)
    for values in ([], [*most, "one more"]):
        with pytest.raises(BadRequest) as refused:
            make_filter("os", operator, values)
        assert refused.value.message == f"filters: os:{operator} takes 1 to 100 values, got {len(values)}"


@pytest.mark.parametrize("operator", ["eq", "contains", "regex", "in"])
def test_a_value_may_have_500_characters(operator):
    assert make_filter("path", operator, ["a" * MAX_VALUE_LENGTH]).values == ("a" * 500,)
    with pytest.raises(BadRequest) as refused:
        make_filter("path", operator, ["a" * 501], "path_filter")
    assert refused.value.message == "path_filter: a value for path is longer than 500 characters"


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", ["a\x00b", "\ud800", "x\udfff"])
def test_a_value_the_warehouse_cannot_hold_is_refused(operator, value):
    with pytest.raises(BadRequest) as refused:
        make_filter("path", operator, [value])

    assert refused.value.message == "filters: a value for path holds a null character or half a surrogate pair"


@pytest.mark.parametrize("operator", ["contains", "not_contains"])
def test_an_empty_text_is_in_everything_and_so_is_no_filter(operator):
    assert refusal(f"path:{operator}:") == f"filters: path:{operator} needs a text to look for"


def test_a_hundred_conditions_are_the_most():
    most = ",".join(f"path:ne:/{number}" for number in range(MAX_FILTERS))

    assert len(parse_filters(most)) == 100
    assert refusal(f"{most},os:eq:iOS") == "filters: at most 100 conditions, got 101"


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("a(?=b)", "invalid perl operator: (?="),
        ("a(?!b)", "invalid perl operator: (?!"),
        ("(?<=a)b", "invalid perl operator: (?<"),
        ("(?<!a)b", "invalid perl operator: (?<"),
        (r"(a)\1", r"invalid escape sequence: \1"),
        ("(?P<x>a)(?P=x)", "invalid perl operator: (?P"),
        ("(?>a)", "invalid perl operator: (?>"),
        ("(a)?(?(1)b|c)", "invalid perl operator: (?("),
        ("(?#remark)", "invalid perl operator: (?#"),
        ("(?x) a", "invalid perl operator: (?x"),
        ("a++", "bad repetition operator: ++"),
        ("a*+", "bad repetition operator: *+"),
        ("a?+", "bad repetition operator: ?+"),
        ("a{2}+", "bad repetition operator: {2}+"),
        ("a**", "bad repetition operator: **"),
        ("*", "no argument for repetition operator: *"),
        ("(a", "missing ): (a"),
        ("[a", "missing ]: [a"),
        ("a\\", "trailing \\"),
        (r"a\Z", r"invalid escape sequence: \Z"),
        (r"\u0041", r"invalid escape sequence: \u"),
        ("a{1001}", "invalid repetition size: {1001}"),
    ],
)
@pytest.mark.parametrize("operator", ["regex", "not_regex"])
def test_what_re2_does_not_take_is_refused_in_its_own_words(operator, pattern, complaint):
    with pytest.raises(BadRequest) as refused:
        make_filter("path", operator, [pattern])

    assert refused.value.message == (
        f"filters: '{pattern}' for path is no RE2 pattern: {complaint} (no lookaround, no back-references)"
    )


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "^/blog/[0-9]{4}/",
        r"c\++",  # a plus sign, once or more
        r"\\1",  # a backslash and a one
        "[*+?]+",
        "[(?=]",
        "a}+",
        "[[:alpha:]]+",
        r"\p{Greek}\pL",
        r"\Qa.b\E\z",
        "(?i:a)(?U)b+",
        "(?P<x>a)",
        "größe|尺寸",
    ],
)
def test_what_re2_takes_is_taken(pattern):
    assert make_filter("path", "regex", [pattern]) == Filter("path", Match.REGEX, False, (pattern,))


@pytest.mark.parametrize("operator", ["eq", "contains", "in"])
def test_only_patterns_are_read_as_patterns(operator):
    assert make_filter("path", operator, ["(?=["]).values == ("(?=[",)


@pytest.mark.parametrize(
    ("given", "country"),
    [("ES", "ES"), ("es", "ES"), ("eS", "ES"), ("Unknown", "Unknown"), ("unknown", "Unknown"), ("UNKNOWN", "Unknown")],
)
def test_a_country_is_two_letters_or_unknown_in_any_case(given, country):
    assert parse_country(given) == country


@pytest.mark.parametrize("given", ["", "E", "ESP", "E1", "Spain", "es\n", " es", "éS", "unknow", "e s"])
def test_any_other_country_is_a_problem_of_that_field(given):
    with pytest.raises(InvalidQuery) as refused:
        parse_country(given)

    message = f"'{given}' is no country: two letters (ISO 3166-1 alpha-2) or 'unknown'"
    assert (refused.value.http_status, refused.value.as_json()) == (
        422,
        {
            "code": "validation_error",
            "message": message,
            "detail": [{"field": "country", "message": message, "type": "value_error"}],
        },
    )
