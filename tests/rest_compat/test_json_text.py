"""Strict reading of JSON: whatever is no plain JSON is refused, and the message says where."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.errors import BadRequest, StatsError
from fanin.rest_compat.json_text import DEEPEST, excerpt, parse_json

UNHURRIED = settings(deadline=None)  # a slow machine is no failure

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
JSON_LOOKALIKES = st.text('{}[]",:0129eE.-+\\ud8Ntrufalsy \n\x00é', max_size=60).map(str.encode)


def nested(levels):
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is no JSON: Expecting value at line 1, column 1"),
        (b'{"a": 1,\n "b" 2}', "The body is no JSON: Expecting ':' delimiter at line 2, column 6"),
        (b'{"a": "\n"}', "The body is no JSON: Invalid control character at line 1, column 8"),
        (b"{} {}", "The body is no JSON: Extra data at line 1, column 4"),
        (b'\n{"\xc3\xa9": \xff}', "The body is no JSON: Byte 0xff is no UTF-8 at line 2, column 7"),
        (b"\xff\xfe{\x00}\x00", "The body is no JSON: Byte 0xff is no UTF-8 at line 1, column 1"),
        (b'{"a": "NaN",\n "b": NaN}', "The body is no JSON: NaN is no usable number at line 2, column 7"),
        (b"[NaNo]", "The body is no JSON: NaN is no usable number at line 1, column 2"),
        (b"[-Infinity]", "The body is no JSON: -Infinity is no usable number at line 1, column 2"),
        (b"[1, 1e999]", "The body is no JSON: 1e999 is no usable number at line 1, column 5"),
        (b"[" + b"9" * 5000 + b"]", f"The body is no JSON: {'9' * 63}… is no usable number at line 1, column 2"),
        (rb'["\\ud800", "\ud800!"]', "The body is no JSON: \\ud800 is half a surrogate pair at line 1, column 14"),
        (rb'["\udc00\ud800"]', "The body is no JSON: \\udc00 is half a surrogate pair at line 1, column 3"),
    ],
)
def test_rule_1_1_what_is_no_json_is_refused_with_its_place(body, message):
    with pytest.raises(BadRequest) as refused:
        parse_json(body)

    assert refused.value.as_json() == {"code": "bad_request", "message": message}


@pytest.mark.parametrize("body", [nested(DEEPEST + 1), nested(100_000), b'{"a":' * 65 + b"1" + b"}" * 65])
def test_rule_1_1_what_is_nested_too_deep_is_refused(body):
    with pytest.raises(BadRequest) as refused:
        parse_json(body)

    assert refused.value.message == "The body is nested more than 64 levels deep"


def test_what_is_nested_as_deep_as_allowed_is_read():
    body = nested(DEEPEST)

    assert json.dumps(parse_json(body).value).encode() == body


def test_a_byte_order_mark_and_a_whole_surrogate_pair_are_read():
    assert parse_json(b'\xef\xbb\xbf["\\ud83d\\ude00"]').value == ["😀"]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b'{"a": 1, "b": 1}', ()),
        (b'{"a": 1, "b": 2, "a": 3, "a": 4}', (("a",),)),
        (b'{"b": [{}, {"c": {"x": 1, "x": 1}}], "a": {"y": 1, "y": 1}}', (("b", "1", "c", "x"), ("a", "y"))),
        (b'{"a": {"x": 1, "x": 1}, "a": 0}', (("a",),)),
        (b'{"a.b": {"c": 1, "c": 1}}', (("a.b", "c"),)),
    ],
)
def test_rule_1_2_a_key_written_twice_is_found_with_its_path(body, paths):
    assert parse_json(body).repeated_keys == paths


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "null"),
        (True, "true"),
        (10.5, "10.5"),
        ("a'b\n", '"a\'b\\n"'),
        ("x" * 65, f"'{'x' * 63}…'"),
        (10**100, "1" + "0" * 62 + "…"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "an object"),
    ],
)
def test_an_excerpt_is_short_and_on_one_line(value, told):
    assert excerpt(value) == told


@UNHURRIED
@given(JSON_VALUES)
def test_what_json_writes_is_read_back(value):
    assert parse_json(json.dumps(value).encode()).value == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()).value == value


@UNHURRIED
@given(st.binary(max_size=60) | JSON_LOOKALIKES)
def test_any_bytes_are_read_or_refused_and_what_is_read_can_be_written(body):
    try:
        value = parse_json(body).value
    except StatsError as refused:
        json.dumps(refused.as_json(), ensure_ascii=False).encode()
    else:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
