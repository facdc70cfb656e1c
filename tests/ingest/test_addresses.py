import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.ingest.addresses import (
    PATH_LIMIT,
    VALUE_LIMIT,
    Referrer,
    bare_host,
    clean,
    parameters,
    parse_referrer,
    readable,
    split_target,
)


@pytest.mark.parametrize(
    ("encoded", "path"),
    [
        ("/a%20b", "/a b"),
        ("/%D8%A7%D8%AA%D9%88", "/اتو"),
        ("/caf%c3%a9", "/café"),
        ("/caf%e9", "/caf%E9"),  # Latin-1: no UTF-8, left alone
        ("/%e9%C3%A9x", "/%E9éx"),
        ("/a%2Fb%3fc%23d%25e", "/a%2Fb%3Fc%23d%25e"),  # decoded, these would mean something else
        ("/50%", "/50%"),
        ("/%zz", "/%zz"),
        ("//double//slash", "//double//slash"),
        ("/line%0Abreak%00%1b[31m", "/linebreak[31m"),
        ("/%E2%80%AEgpj.exe", "/gpj.exe"),  # right-to-left override
        ("/%D9%86%E2%80%8C%D9%87", "/ن\u200cه"),  # Persian needs its non-joiner
    ],
)
def test_a_path_is_decoded_where_that_is_readable_and_changes_no_meaning(encoded, path):
    assert readable(encoded) == path


def test_a_path_is_bounded():
    assert readable("/" + "a" * 5000) == "/" + "a" * (PATH_LIMIT - 1)


@given(st.text())
def test_reading_a_path_twice_changes_nothing(text):
    once = readable(text)

    assert readable(once) == once or "%" in once


@pytest.mark.parametrize(
    ("target", "parts"),
    [("/a?b=c", ("/a", "b=c")), ("/a", ("/a", "")), ("/a#b?c", ("/a", "")), ("/a?b?c#d", ("/a", "b?c"))],
)
def test_a_target_is_a_path_and_a_query(target, parts):
    assert split_target(target) == parts


def test_parameters_are_decoded_trimmed_and_the_first_of_a_name_counts():
    assert parameters("utm_campaign=Feed%3A+a%2Fb&x=+1%20&x=2&flag&bad=%ff") == {
        "utm_campaign": "Feed: a/b",
        "x": "1",
        "flag": "",
        "bad": "\ufffd",
    }


def test_a_value_is_bounded_and_free_of_control_characters():
    assert clean("\x1b[31mred\n" + "x" * 900) == "[31mred" + "x" * (VALUE_LIMIT - 7)


def test_a_referrer_is_its_address_without_query_and_fragment():
    assert parse_referrer("HTTPS://user:secret@WWW.Example.com:8443/A%20b?q=1#f") == Referrer(
        "example.com", "/A%20b", "q=1", "https://www.example.com:8443/A b"
    )


def test_a_referrer_without_a_path_is_the_root():
    assert parse_referrer("https://www.google.com") == Referrer("google.com", "", "", "https://www.google.com/")


def test_an_app_is_a_referrer():
    assert parse_referrer("android-app://com.example.app/") == Referrer(
        "com.example.app", "/", "", "android-app://com.example.app/"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "about:blank",
        "www.google.com",
        "ftp://a/b",
        "https://",
        "https:///x",
        r"http://\xe4\xe5/",
        "http://a b/",
    ],
)
def test_what_is_no_page_address_is_no_referrer(text):
    assert parse_referrer(text) is None


@given(st.text())
def test_no_text_makes_the_referrer_parser_raise(text):
    parse_referrer(text)
    parse_referrer(f"https://{text}")


@pytest.mark.parametrize(
    "authority", ["Example.COM", "www.example.com", "example.com:80", "example.com.", "WWW.example.com.:443"]
)
def test_spellings_of_a_host_are_one_host(authority):
    assert bare_host(authority) == "example.com"
