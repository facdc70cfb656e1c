"""The same traffic in every format gives the same numbers, as far as the format carries it."""

from __future__ import annotations

import bz2
import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from crawlerdetect import CrawlerDetect
from hypothesis import given
from hypothesis import strategies as st

from fanin.ingest.log_files import digest_of, zstd
from fanin.ingest.log_formats import FORMATS, format_named
from fanin.ingest.refusals import ImportRefused
from fanin.ingest.site_rules import read_site_rules
from fanin.ingest.summaries import LineClass
from fanin.tests.ingest.reading import Reading, read_logs
from fanin.tests.ingest.rendering import IIS_HEADER, SERVERS, Request, combined, iis, rendered, requests_of

SAMPLES = Path(__file__).parents[2] / "samples"
RULES = read_site_rules(SAMPLES / "blog.toml")
REQUESTS = requests_of(SAMPLES / "blog-apache-access-2015-05.log.gz", 3000)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def reading_of(folder: Path, server: str, requests: list[Request], format_name: str = "") -> Reading:
    path = folder / f"{server}.log"
    path.write_text(rendered(server, requests), encoding="utf-8")
    return read_logs([path], RULES, written_as=format_named(format_name) if format_name else None)


def counted(reading: Reading) -> dict[str, int]:
    return {str(name): count for name, count in reading.summary.classes.items() if name != "blank"}


# What a format does not carry, taken out of the requests it is compared with.
LESS = {
    "alb": {"referrer": "-"},
    "common": {"referrer": "-", "agent": FIREFOX},  # where no agent is told, nobody is a bot
}


@pytest.mark.parametrize("server", SERVERS)
def test_the_same_requests_in_every_format_give_the_same_sessions(tmp_path, server):
    comparable = [replace(request, **LESS.get(server, {})) for request in REQUESTS]
    expected = reading_of(tmp_path, "combined", comparable)

    found = reading_of(tmp_path, server, REQUESTS)

    assert found.summary.formats == {str(tmp_path / f"{server}.log"): SERVERS[server][0]}
    assert counted(found) == counted(expected)
    assert (found.summary.first, found.summary.last) == (expected.summary.first, expected.summary.last)
    assert found.summary.goals == expected.summary.goals
    sessions = expected.sessions
    if server == "common":
        sessions = [replace(session, browser="Unknown", os="Unknown") for session in sessions]
    assert found.sessions == sessions


def test_the_requests_compared_hold_the_page_views_a_recount_finds(tmp_path):
    static = (
        ".png .jpg .jpeg .gif .ico .svg .css .js .ttf .woff .swf .xml .xsl .txt .pdf .doc .jar .exe .gz .deb .gem .pyc"
    )
    endings = tuple(static.split())
    is_bot = CrawlerDetect().is_crawler
    views = [
        request
        for request in REQUESTS
        if request.method == "GET" and request.status in ("200", "304") and not request.stem.lower().endswith(endings)
        if "flav=" not in request.query and request.stem != "/wp-login.php" and "/view.php" not in request.stem
        if request.agent not in ("-", "") and not is_bot(request.agent)
    ]

    assert len(views) == reading_of(tmp_path, "combined", REQUESTS).summary.page_views == 421


@pytest.mark.parametrize("server", SERVERS)
def test_a_format_may_be_named(tmp_path, server):
    named = reading_of(tmp_path, server, REQUESTS[:50], SERVERS[server][0])

    assert named.sessions == reading_of(tmp_path, server, REQUESTS[:50]).sessions


def test_every_format_is_rendered():
    assert {name for name, *_ in SERVERS.values()} == set(FORMATS)


NGINX_COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
APACHE_COMBINED = r"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""


@pytest.mark.parametrize(
    "text",
    [
        NGINX_COMBINED,
        f"log_format main '{NGINX_COMBINED[:40]}'\n    '{NGINX_COMBINED[40:]}';",
        APACHE_COMBINED,
        APACHE_COMBINED.replace("\\", ""),
        f'LogFormat "{APACHE_COMBINED}" combined',
    ],
)
def test_a_format_may_be_given_as_its_server_was_told_it(tmp_path, text):
    given = reading_of(tmp_path, "combined", REQUESTS, text)

    assert counted(given) == counted(reading_of(tmp_path, "combined", REQUESTS))
    assert given.sessions == reading_of(tmp_path, "combined", REQUESTS).sessions


@pytest.mark.parametrize(
    ("text", "write"),
    [
        (
            '$http_x_forwarded_for|$msec|$request_method $uri$is_args$args|$status|"$http_referer"|"$http_user_agent"|$host',
            lambda one: (
                f"{one.address}, 10.0.0.1|{one.at}.125|{one.method} {one.target}|{one.status}|"
                f'"{one.referrer}"|"{one.agent}"|example.com'
            ),
        ),
        (
            '$time_local $remote_addr $request $status "$http_referer" "$http_user_agent"',
            lambda one: f'{one.clf} {one.address} {one.line} {one.status} "{one.referrer}" "{one.agent}"',
        ),
        (
            '%{usec}t %a "%m %U%q %H" %s "%{User-agent}i" "%{Referer}i" %D',
            lambda one: (
                f'{one.at}125000 {one.address} "{one.method} {one.target} HTTP/1.1" {one.status} "{one.agent}" '
                f'"{one.referrer}" 1234'
            ),
        ),
        (
            '{"at": "$time_iso8601", "who": "$remote_addr", "what": "$request", "code": $status, '
            '"from": "$http_referer", "with": "$http_user_agent"}',
            lambda one: (
                f'{{"at": "{one.time("%Y-%m-%dT%H:%M:%SZ")}", "who": "{one.address}", "what": "{one.line}", '
                f'"code": {one.status}, "from": "{one.referrer}", "with": "{one.agent}"}}'
            ),
        ),
    ],
)
def test_a_format_of_ones_own_gives_the_same_sessions(tmp_path, text, write):
    path = tmp_path / "own.log"
    path.write_text("".join(f"{write(request)}\n" for request in REQUESTS), encoding="utf-8")

    given = read_logs([path], RULES, written_as=format_named(text))

    expected = reading_of(tmp_path, "combined", REQUESTS)
    assert counted(given) == counted(expected)
    assert given.sessions == expected.sessions


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("combin", "There is no log format 'combin' (did you mean 'combined'?); known are vhost_combined, combined,"),
        ("$remote_addr $status", "it does not tell the time and the request; accepted is an nginx log_format or an"),
        ("%h %t %r", "it does not tell the status; accepted"),
        ("%t %s %r", "it does not tell the address; accepted"),
    ],
)
def test_a_format_that_cannot_be_used_is_refused_with_what_is_accepted(text, complaint):
    with pytest.raises(ImportRefused) as refusal:
        format_named(text)

    assert complaint in refusal.value.message


def test_a_file_in_another_format_than_the_one_named_is_refused(tmp_path):
    with pytest.raises(ImportRefused) as refusal:
        reading_of(tmp_path, "combined", REQUESTS[:9], "caddy")

    assert refusal.value.message == (
        f"'{tmp_path / 'combined.log'}' is not in the format caddy: of its first 9 lines none is read; "
        f"the first is '{combined(REQUESTS[0])[:80]}…'."
    )


def test_the_fields_may_change_inside_a_file(tmp_path):
    first, second = REQUESTS[:40], REQUESTS[40:80]
    fewer = "#Fields: time date c-ip cs-method cs-uri-stem cs-uri-query sc-status cs(Referer) cs(User-Agent)\n"

    def short(one: Request) -> str:
        day = one.time("%H:%M:%S %Y-%m-%d")
        return f"{day} {one.address} {one.method} {one.stem} {one.query} {one.status} {one.referrer} {one.agent.replace(' ', '+')}"

    path = tmp_path / "ex.log"
    texts = [
        IIS_HEADER,
        *(f"{iis(one)}\n" for one in first),
        fewer,
        *(f"{short(one)}\n" for one in second),
        "cut off\n",
    ]
    path.write_text("".join(texts), encoding="utf-8")

    summary = read_logs([path], RULES).summary

    expected = counted(reading_of(tmp_path, "combined", REQUESTS[:80]))
    assert counted(read_logs([path], RULES)) == expected | {"damaged": 1}
    assert (summary.classes[LineClass.BLANK], summary.damaged_lines[0].number) == (5, 86)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstd.compress])
def test_a_log_may_be_compressed_in_each_of_the_usual_ways(tmp_path, pack):
    plain = reading_of(tmp_path, "combined", REQUESTS)
    packed = tmp_path / "packed"
    content = (tmp_path / "combined.log").read_bytes()
    packed.write_bytes(pack(content[:5000]) + pack(content[5000:]))  # pieces one after another are one file

    reading = read_logs([packed], RULES)

    assert reading.sessions == plain.sessions
    assert digest_of(packed) == digest_of(tmp_path / "combined.log")


@pytest.mark.parametrize(("pack", "name"), [(bz2.compress, "bzip2"), (zstd.compress, "zstd")])
def test_a_cut_off_file_is_refused_by_its_compression(tmp_path, pack, name):
    reading_of(tmp_path, "combined", REQUESTS)
    packed = tmp_path / "packed"
    packed.write_bytes(pack((tmp_path / "combined.log").read_bytes())[:-20])

    with pytest.raises(ImportRefused) as refusal:
        read_logs([packed], RULES)

    assert refusal.value.message == (
        f"'{packed}' is a damaged or cut off {name} file; a whole one or plain text is accepted."
    )


def test_files_of_one_import_may_be_in_different_formats(tmp_path):
    halves = [REQUESTS[:1500], REQUESTS[1500:]]
    paths = [tmp_path / "a.log", tmp_path / "b.log"]
    for path, server, half in zip(paths, ("caddy", "iis"), halves, strict=True):
        path.write_text(rendered(server, half), encoding="utf-8")

    both = read_logs(paths, RULES)

    assert counted(both) == counted(reading_of(tmp_path, "combined", REQUESTS))
    assert both.summary.formats == {str(paths[0]): "caddy", str(paths[1]): "w3c"}


PIECES = st.sampled_from(
    ["{", "}", '"', ":", ",", "[", "]", " ", "\t", "-", "GET", "/", "http://", "200", "2026-03-18", "10:00:00", "#Fields:",
     "date", "time", "c-ip", "x-edge-location", "request", "status", "ts", "1773828000", "18/Mar/2026:10:00:00 +0000",
     "null", "\\", "\\x", "%", "é", "\x00", "\ud800", "8.8.8.8", "https", "1e999"]
)  # fmt: skip


@given(st.lists(st.lists(PIECES, max_size=20).map("".join), max_size=5))
def test_no_text_makes_a_reader_raise(texts):
    for log_format in FORMATS.values():
        read = log_format.reader()
        for text in texts:
            read(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2026-03-18T10:00:00Z"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
NAMES = st.sampled_from(["ts", "time", "status", "request", "remote_addr", "http_user_agent", "ClientHost", "StartUTC"])


@given(st.dictionaries(NAMES, VALUES))
def test_no_object_makes_a_reader_of_json_raise(entry):
    for name in ("nginx_json", "caddy", "traefik"):
        FORMATS[name].reader()(json.dumps(entry))
