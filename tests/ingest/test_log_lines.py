import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.ingest.log_lines import LogLine, parse_line, unescape

PLAIN = '203.0.113.9 - - [18/Mar/2026:13:30:05 +0330] "GET /a?b=c HTTP/1.1" 200 512 "https://example.org/x" "Agent/1"'


def read(text: str) -> LogLine:
    line = parse_line(text)
    assert line is not None
    return line


def test_a_combined_line_is_read_field_by_field():
    assert parse_line(PLAIN) == LogLine(
        "203.0.113.9", 1_773_828_005, "GET", "/a?b=c", "200", "https://example.org/x", "Agent/1"
    )


@pytest.mark.parametrize("more", [' "-"', ' "10.0.0.1, 10.0.0.2" "x"', " 0.005", ' "-" rt=0.1', " "])
def test_further_fields_are_left_aside(more):
    assert parse_line(PLAIN + more) == parse_line(PLAIN)


def test_a_zone_before_utc_is_added():
    assert read(PLAIN.replace("+0330", "-0500")).at == 1_773_828_005 + int(8.5 * 3600)


def test_a_dash_is_an_empty_field_and_missing_bytes_do_not_matter():
    line = parse_line('::1 - - [18/Mar/2026:13:30:05 +0000] "HEAD / HTTP/1.0" 304 - "-" "-"')

    assert line == LogLine("::1", 1_773_840_605, "HEAD", "/", "304", "", "")


@pytest.mark.parametrize("address", ["2001:db8::7", "host.example.org", "127.0.0.1"])
def test_an_address_may_be_of_either_version_or_a_name(address):
    assert read(PLAIN.replace("203.0.113.9", address)).address == address


def test_a_user_name_with_a_space_is_stepped_over():
    assert parse_line(PLAIN.replace("- - [", "- Jane Doe [")) == parse_line(PLAIN)


def test_escaped_quotes_belong_to_their_field():
    assert read(PLAIN.replace("Agent/1", r"Say \"hi\" \\ there")).agent == r'Say "hi" \ there'


def test_escaped_octets_are_read_as_utf_8():
    assert read(PLAIN.replace("Agent/1", r"caf\xC3\xA9")).agent == "café"


def test_escaped_octets_that_spell_nothing_stay_as_written():
    assert unescape(r"http://\xe4\xe5\xe3/") == r"http://\xe4\xe5\xe3/"


@pytest.mark.parametrize(
    "request_text", ["-", "", r"\x16\x03\x01\x02", "GET", "GET  /", "hello world", "get / HTTP/1.1"]
)
def test_what_is_no_http_request_has_neither_method_nor_target(request_text):
    line = read(PLAIN.replace("GET /a?b=c HTTP/1.1", request_text))

    assert (line.method, line.target) == ("", "")


def test_a_request_without_a_version_is_a_request():
    assert read(PLAIN.replace(" HTTP/1.1", "")).target == "/a?b=c"


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "garbage",
        PLAIN[:-1],  # cut inside the user agent
        PLAIN[:60],
        PLAIN.replace("18/Mar", "32/Mar"),
        PLAIN.replace("18/Mar", "18/Foo"),
        PLAIN.replace(":13:", ":25:"),
        PLAIN.replace(":30:05", ":60:05"),
        PLAIN.replace(":05 ", ":61 "),
        PLAIN.replace("+0330", "+9900"),
        PLAIN.replace(" 200 ", " 2000 "),
        PLAIN.replace("18/Mar/2026", "18/Mar/0000"),
        '203.0.113.9 - - [18/Mar/2026:13:30:05 +0330] "GET / HTTP/1.1" 200 512',  # the common format
        "\ufffd\ufffd\x00\x00",
    ],
)
def test_a_damaged_line_is_none(damaged):
    assert parse_line(damaged) is None


@given(st.text())
def test_no_text_makes_the_parser_raise(text):
    parse_line(text)


@given(st.text(alphabet='0123456789/:[]"\\ -+GETMar.x', max_size=200))
def test_no_text_that_looks_like_a_line_makes_the_parser_raise(text):
    parse_line(PLAIN[:20] + text)
    parse_line(text + PLAIN[40:])


@given(st.text(alphabet=st.characters(exclude_characters='"\\\n', exclude_categories=["Cs"]), min_size=2))
def test_any_unescaped_agent_comes_out_as_it_went_in(agent):
    assert read(PLAIN.replace("Agent/1", agent)).agent == agent
