from importlib.resources import files

import pytest

from fanin.catalog.channels import classify
from fanin.ingest.addresses import parse_referrer
from fanin.ingest.countries import country_of
from fanin.ingest.referrers import Origin, is_spam, origin_of


def origin(url: str) -> Origin:
    referrer = parse_referrer(url)
    assert referrer is not None
    return origin_of(referrer)


@pytest.mark.parametrize(
    ("url", "source", "medium"),
    [
        ("https://www.google.com/", "google", "organic"),
        ("http://google.com/search?q=x", "google", "organic"),
        ("https://www.google.co.uk/", "google", "organic"),
        ("https://www.google.com.hk/url", "google", "organic"),
        ("https://images.google.fr/", "google", "organic"),
        ("https://encrypted.google.com/", "google", "organic"),
        ("android-app://com.google.android.googlequicksearchbox/", "google", "organic"),
        ("android-app://com.google.android.googlequicksearchbox/https/www.google.com", "google", "organic"),
        ("https://www.google.de/products?q=x", "google-shopping", "organic"),
        ("https://www.bing.com/", "bing", "organic"),
        ("https://uk.search.yahoo.com/", "yahoo", "organic"),
        ("https://duckduckgo.com/", "duckduckgo", "organic"),
        ("http://r.duckduckgo.com/l/", "duckduckgo", "organic"),
        ("https://yandex.ru/", "yandex", "organic"),
        ("http://www.baidu.com/link", "baidu", "organic"),
        ("https://search.brave.com/", "brave", "organic"),
        ("https://search.naver.com/", "naver", "organic"),
        ("https://www.facebook.com/", "facebook", "social"),
        ("https://lm.facebook.com/l.php", "facebook", "social"),
        ("https://t.co/abc", "twitter", "social"),
        ("https://x.com/someone", "twitter", "social"),
        ("https://old.reddit.com/r/python", "reddit", "social"),
        ("android-app://com.reddit.frontpage/", "reddit", "social"),
        ("https://www.linkedin.com/feed", "linkedin", "social"),
        ("https://m.youtube.com/watch", "youtube", "organic"),
        ("https://chatgpt.com/", "chatgpt", "ai"),
        ("https://www.perplexity.ai/search", "perplexity", "ai"),
        ("https://gemini.google.com/app", "gemini", "ai"),
        ("https://claude.ai/", "claude", "ai"),
        ("https://x.com/i/grok", "grok", "ai"),
        # no entry of the lists, or not what the entry asks for
        ("https://docs.google.com/document", "docs.google.com", "referrer"),
        ("https://news.google.com/", "news.google.com", "referrer"),
        ("https://www.cnn.com/2026/story", "cnn.com", "referrer"),
        ("https://stackoverflow.com/questions/1", "stackoverflow.com", "referrer"),
        ("https://www.Example.org:8080/x?y#z", "example.org", "referrer"),
        ("https://evilgoogle.com/", "evilgoogle.com", "referrer"),
        ("https://google.com.evil.example/", "google.com.evil.example", "referrer"),
        ("android-app://com.example.reader/", "com.example.reader", "referrer"),
    ],
)
def test_a_referrer_has_a_source_and_a_medium(url, source, medium):
    assert origin(url) == Origin(source, medium)


def test_a_portal_is_a_search_engine_only_with_a_search_term():
    assert origin("https://www.cnn.com/search?query=x") == Origin("google", "organic")


@pytest.mark.parametrize("host", ["100dollars-seo.com", "www2.100dollars-seo.com"])
def test_a_spam_domain_takes_its_subdomains_along(host):
    assert is_spam(host)


@pytest.mark.parametrize("host", ["example.org", "seo.com", "my100dollars-seo.com", "com", ""])
def test_other_hosts_are_no_spam(host):
    assert not is_spam(host)


def test_every_network_and_assistant_of_the_list_belongs_to_a_channel():
    rows = [line.split("\t") for line in _lines("referrers.tsv")]
    channels = {(row[2], classify(row[1], row[2])) for row in rows if row[2] != "organic"}

    assert channels == {("social", "Organic Social"), ("social", "Audio"), ("ai", "AI")}


def test_the_readme_of_the_lists_tells_their_length():
    readme = files("fanin.ingest.lists").joinpath("README.md").read_text(encoding="utf-8")

    assert f"| `referrers.tsv` | {len(_lines('referrers.tsv')):,} |" in readme
    assert f"| `spammers.txt` | {len(_lines('spammers.txt')):,} |" in readme


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("8.8.8.8", "US"),
        ("5.202.214.58", "IR"),
        ("2001:4860:4860::8888", "US"),
        ("10.0.0.1", "Unknown"),
        ("::1", "Unknown"),
        ("host.example.org", "Unknown"),
        ("", "Unknown"),
    ],
)
def test_an_address_belongs_to_a_country(address, country):
    assert country_of(address) == country


def _lines(name: str) -> list[str]:
    text = files("fanin.ingest.lists").joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]
