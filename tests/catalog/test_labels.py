"""Row fields told from a dimension's value.  Contract §1.7, §1.8."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iso3166 import countries

from fanin.catalog.dimensions import DIMENSIONS
from fanin.catalog.endpoints import ENDPOINTS
from fanin.catalog.labels import LABELS, country_name, referrer_domain

UNHURRIED = settings(deadline=None)  # a slow machine is no failure


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("ES", "Spain"),
        ("US", "United States"),
        ("GB", "United Kingdom"),
        ("NL", "Netherlands"),
        ("KR", "South Korea"),
        ("TW", "Taiwan"),
        ("VN", "Vietnam"),
        ("DE", "Germany"),
        ("CI", "Côte d'Ivoire"),
    ],
)
def test_a_country_goes_by_the_name_people_use(code, name):
    assert country_name(code) == name


@pytest.mark.parametrize("code", ["Unknown", "", "XX", "es", "ESP", "724", "Spain"])
def test_what_is_no_country_has_no_name(code):
    assert country_name(code) == ""


def test_every_country_has_a_name_of_its_own_without_a_formal_tail():
    names = {country.alpha2: country_name(country.alpha2) for country in countries}

    assert "" not in names.values()
    assert len(set(names.values())) == len(names)
    assert [name for name in names.values() if re.search(r"[,(].* of\b|\(the\b", name)] == []


@pytest.mark.parametrize(
    ("referrer", "domain"),
    [
        ("https://www.google.com/search?q=fanin", "google.com"),
        ("http://example.com", "example.com"),
        ("https://example.com:8443/a?b#c", "example.com"),
        ("https://user:secret@Example.COM/", "example.com"),
        ("https://news.ycombinator.com/item?id=1", "news.ycombinator.com"),
        ("https://wwwhost.org/", "wwwhost.org"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("http://[2001:db8::1]/", "2001:db8::1"),
        ("https://bücher.example/", "bücher.example"),
        ("", ""),
        ("/only/a/path", ""),
        ("http://", ""),
        ("http://[broken", ""),
        ("http://exa\u2100mple.com/", ""),
    ],
)
def test_a_referrers_domain_is_its_host_without_www(referrer, domain):
    assert referrer_domain(referrer) == domain


@UNHURRIED
@given(st.text())
def test_no_referrer_is_too_strange_to_be_looked_at(referrer):
    assert isinstance(referrer_domain(referrer), str)
    assert isinstance(referrer_domain(f"http://{referrer}"), str)


def test_every_label_is_told_from_a_dimension_and_shown_where_that_is():
    assert {name: label.dimension for name, label in LABELS.items()} == {
        "country_name": "country",
        "referrer_domain": "referrer",
    }
    assert {label.dimension for label in LABELS.values()} <= set(DIMENSIONS)
    assert {name: list(endpoint.labels) for name, endpoint in ENDPOINTS.items() if endpoint.labels} == {
        "referrers": ["referrer_domain"],
        "countries": ["country_name"],
        "top_referrers": ["referrer_domain"],
    }
