"""Event files: the same events in every kind of file, by the plain schema and by the mappings that come with fanin."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.ingest.event_mappings import COLUMNS, PLAIN, mapping_named, shipped
from fanin.ingest.events import EventReader
from fanin.ingest.importing import import_log
from fanin.ingest.refusals import ImportRefused
from fanin.ingest.site_rules import ContentGrouping, GoalRule, Places, SiteRules
from fanin.ingest.summaries import LineClass
from fanin.tests.facts import moment, stored
from fanin.tests.ingest.reading import Reading, read_logs
from fanin.warehouse.facts import Goal, GoalKind, PageView, Session

SAMPLES = Path(__file__).parents[2] / "samples"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
BOT = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"
AT = moment("2026-03-18T10:00:00")

EVENTS: list[dict[str, Any]] = [
    {
        "time": "2026-03-18T10:00:00Z", "event": "page_view", "visitor": "v1", "user_agent": FIREFOX,
        "url": "https://example.com/caf%C3%A9?utm_source=news&utm_medium=email&email=a@b.c",
        "referrer": "https://mail.example/", "country": "es",
    },
    {
        "time": "2026-03-18T10:00:20Z", "event": "page_view", "visitor": "v1", "user_agent": FIREFOX,
        "url": "https://example.com/thanks", "referrer": "https://example.com/",
    },
    {
        "time": "2026-03-18T10:00:30Z", "event": "conversion", "name": "order", "visitor": "v1", "amount": "12.50",
        "user_agent": FIREFOX, "referrer": "https://example.com/thanks", "url": "https://example.com/thanks",
    },
    {"time": "2026-03-18T10:00:31Z", "event": "microconversion", "name": "signup", "visitor": "v1", "user_agent": FIREFOX},
    {"time": "2026-03-18T10:00:32Z", "event": "scroll", "visitor": "v1", "user_agent": FIREFOX},
    {"time": "2026-03-18T13:00:00Z", "event": "page_view", "visitor": "v1", "url": "/", "user_agent": FIREFOX,
     "country": "ES"},
    {"time": "2026-03-18T10:00:00Z", "event": "page_view", "visitor": "v2", "url": "/", "user_agent": BOT},
]  # fmt: skip

SESSIONS = [
    Session(
        AT,
        (PageView(AT, "/café"), PageView(AT + 20, "/thanks")),
        (
            Goal(AT + 30, GoalKind.CONVERSION, "order", 1250),
            Goal(AT + 31, GoalKind.MICROCONVERSION, "signup"),
        ),
        utm_source="news",
        utm_medium="email",
        referrer="https://mail.example/",
        channel="Email",
        country="ES",
        browser="Firefox",
        os="Linux",
    ),
    Session(AT + 3 * 3600, (PageView(AT + 3 * 3600, "/"),), country="ES", browser="Firefox", os="Linux"),
]


def ndjson(path: Path, events: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
    return path


def comma_separated(path: Path, events: list[dict[str, Any]], delimiter: str = ",") -> Path:
    names = list(dict.fromkeys(name for event in events for name in event))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(events)
    return path


def parquet(path: Path, events: list[dict[str, Any]], time: str = "TIMESTAMPTZ") -> Path:
    plain = ndjson(path.with_suffix(".json"), events)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'") if time == "TIMESTAMPTZ" else None
        rows = f"SELECT * REPLACE (time::{time} AS time) FROM read_json('{plain}', format = 'newline_delimited')"
        connection.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
    return path


def semicolons(path: Path, events: list[dict[str, Any]]) -> Path:
    return comma_separated(path, events, ";")


def packed(path: Path, events: list[dict[str, Any]]) -> Path:
    path.write_bytes(gzip.compress(ndjson(path, events).read_bytes()))
    return path


def reading_of(path: Path, rules: SiteRules | None = None, mapping: str = "") -> Reading:
    return read_logs([path], rules or SiteRules(), written_as=mapping_named(mapping) if mapping else None)


def counted(reading: Reading) -> dict[str, int]:
    return {str(name): count for name, count in reading.summary.classes.items() if count}


def sessions_of(reading: Reading) -> list[Session]:
    return reading.sessions


@pytest.mark.parametrize(
    ("write", "name"),
    [(ndjson, "ndjson"), (packed, "ndjson"), (comma_separated, "csv"), (semicolons, "csv"), (parquet, "parquet")],
)
def test_the_same_events_in_every_kind_of_file_are_the_same_sessions(tmp_path, write, name):
    path = write(tmp_path / "events", EVENTS)

    reading = reading_of(path)

    assert sessions_of(reading) == SESSIONS
    assert counted(reading) == {"page_views": 3, "goal_hits": 2, "bots": 1, "other": 1}
    assert reading.summary.goals == {"order": 1, "signup": 1}
    assert reading.summary.formats == {str(path): name}
    assert reading.summary.lines == 7


def test_an_import_of_events_lands_once_in_the_warehouse(tmp_path):
    path = ndjson(tmp_path / "events.ndjson", EVENTS)
    warehouse = tmp_path / "fanin.duckdb"

    first = import_log([path], "my-site", warehouse)
    again = import_log([path], "my-site", warehouse)

    assert (first.sessions, again.files_already_there) == (2, (str(path),))
    assert stored(warehouse, "SELECT sum(page_views), sum(revenue_cents) FROM sessions", "my-site") == [(3, 1250)]


def one(tmp_path: Path, rules: SiteRules | None = None, **columns: Any) -> Session:
    """The session of one event."""
    event = {"time": AT, "event": "page_view", "visitor": "v", "url": "/"} | columns
    [session] = sessions_of(reading_of(ndjson(tmp_path / "one.ndjson", [event]), rules))
    return session


@pytest.mark.parametrize(
    "time", [AT, AT * 1000, AT * 1_000_000, f"{AT}.5", "2026-03-18 10:00:00", "2026-03-18T11:00:00.25+01:00"]
)
def test_a_time_may_be_written_in_every_usual_way(tmp_path, time):
    assert one(tmp_path, time=time).start == AT


def test_a_time_without_a_zone_is_the_accounts_unless_the_mapping_says_another(tmp_path):
    madrid = SiteRules(time_zone="Europe/Madrid")
    mapping = tmp_path / "m.toml"
    mapping.write_text(
        'time_zone = "Asia/Tokyo"\n[columns]\ntime = "time"\nevent = "event"\nvisitor = "visitor"\nurl = "url"\n'
    )
    event = {"time": "2026-03-18 10:00:00", "event": "page_view", "visitor": "v", "url": "/"}
    path = ndjson(tmp_path / "e.ndjson", [event])
    naive = parquet(tmp_path / "e.parquet", [event], "TIMESTAMP")

    starts = [
        sessions_of(reading)[0].start
        for reading in (
            reading_of(path),
            reading_of(path, madrid),
            reading_of(naive, madrid),
            reading_of(path, madrid, str(mapping)),
        )
    ]

    assert starts == [AT, AT - 3600, AT - 3600, AT - 9 * 3600]


@pytest.mark.parametrize(
    ("columns", "path"),
    [
        ({"url": "https://example.com"}, "/"),
        ({"url": "https://example.com/a/b?x=1#y"}, "/a/b"),
        ({"url": "a"}, "/a"),
        ({"url": "", "path": "/p", "query": "utm_source=x"}, "/p"),
        ({"url": "/paper.pdf"}, "/paper.pdf"),
    ],
)
def test_the_page_may_be_an_address_or_a_path(tmp_path, columns, path):
    assert [view.path for view in one(tmp_path, **columns).page_views] == [path]


@pytest.mark.parametrize(
    ("columns", "source", "medium", "channel"),
    [
        ({}, "(direct)", "(none)", "Direct"),
        ({"referrer": "https://www.google.com/search?q=x"}, "google", "organic", "Organic Search"),
        ({"referrer": "google.com"}, "google", "organic", "Organic Search"),
        ({"url": "/?gclid=1"}, "google", "cpc", "Paid Search"),
        ({"url": "/paper.pdf?utm_source=s&utm_medium=email"}, "s", "email", "Email"),
        ({"url": "/?utm_source=a&utm_medium=email", "utm_source": "b", "utm_medium": "sms"}, "b", "sms", "SMS"),
        (
            {"utm_source": "(direct)", "utm_medium": "(none)", "utm_campaign": "(not set)"},
            "(direct)",
            "(none)",
            "Direct",
        ),
        ({"path": "/p", "url": "", "query": "?utm_source=q&utm_medium=push"}, "q", "push", "Push"),
    ],
)
def test_where_a_visitor_came_from_is_told_as_in_a_log(tmp_path, columns, source, medium, channel):
    session = one(tmp_path, **columns)

    assert (session.utm_source, session.utm_medium, session.channel) == (source, medium, channel)


def test_a_referrer_of_the_pages_own_host_is_the_site_itself(tmp_path):
    session = one(tmp_path, url="https://shop.example/a", referrer="https://www.SHOP.example/b", utm_source="x")

    assert (session.utm_source, session.referrer) == ("rejoined", "")


@pytest.mark.parametrize(
    ("columns", "described"),
    [
        ({}, ("Unknown", "desktop", "Unknown", "Unknown")),
        ({"address": "8.8.8.8", "user_agent": FIREFOX}, ("US", "desktop", "Firefox", "Linux")),
        (
            {"address": "8.8.8.8", "country": "Spain", "device_type": "Mobile", "browser": "Own", "os": "iOS"},
            ("ES", "mobile", "Own", "iOS"),
        ),
        ({"country": "United Kingdom", "device_type": "laptop"}, ("GB", "desktop", "Unknown", "Unknown")),
        ({"country": "Atlantis"}, ("Unknown", "desktop", "Unknown", "Unknown")),
    ],
)
def test_what_an_event_says_of_its_visitor_comes_before_what_is_concluded(tmp_path, columns, described):
    session = one(tmp_path, **columns)

    assert (session.country, session.device_type, session.browser, session.os) == described


def events_at(*hours: float, **columns: Any) -> list[dict[str, Any]]:
    return [{"time": AT + int(3600 * hour), "event": "page_view", "url": "/"} | columns for hour in hours]


@pytest.mark.parametrize(
    ("events", "views"),
    [
        (events_at(0, 1, 4, visitor="v"), [2, 1]),
        (events_at(0, 1, 4, visitor="v", session="s"), [3]),
        (events_at(0, 1, session="s") + events_at(0.5, session="t"), [2, 1]),
        (events_at(0, session="1", visitor="v") + events_at(0, session="1", visitor="w"), [1, 1]),
        (events_at(0, 1, address="8.8.8.8") + events_at(1, address="8.8.4.4"), [2, 1]),
        (events_at(0, address="8.8.8.8", user_agent=FIREFOX) + events_at(0, address="8.8.8.8"), [1, 1]),
    ],
)
def test_events_are_cut_into_sessions_by_what_they_tell_of_who_sent_them(tmp_path, events, views):
    sessions = sessions_of(reading_of(ndjson(tmp_path / "e", events)))

    assert [len(session.page_views) for session in sessions] == views


def test_of_two_events_with_one_id_the_first_counts(tmp_path):
    events = [event | {"id": name} for event, name in zip(events_at(0, 1, 2, visitor="v"), "aba", strict=True)]

    reading = reading_of(ndjson(tmp_path / "e", events))

    assert counted(reading) == {"page_views": 2, "duplicates": 1}


def test_the_rules_of_the_site_hold_for_events_too(tmp_path):
    rules = SiteRules(
        keep_parameters=("id",),
        exclude=Places.of("/admin*"),
        goals=(
            GoalRule("buy", GoalKind.CONVERSION, events=("bought",), amount_cents=100),
            GoalRule("seen", GoalKind.MICROCONVERSION, Places.of("/product/*")),
        ),
        content_groupings=(ContentGrouping("Shop", Places.of("/product/*")),),
    )
    events = [
        {"url": "/product/1?id=7&email=a@b.c"},
        {"url": "/admin/x"},
        {"event": "bought"},
        {"event": "bought", "amount": "7.25"},
        {"event": "unheard of"},
    ]
    path = ndjson(tmp_path / "e", [{"time": AT, "event": "page_view", "visitor": "v"} | event for event in events])

    reading = reading_of(path, rules)

    assert counted(reading) == {"page_views": 1, "goal_hits": 2, "excluded": 1, "other": 1}
    assert reading.summary.goals == {"buy": 2, "seen": 1}
    [session] = sessions_of(reading)
    assert session.page_views == (PageView(AT, "/product/1?id=7", "Shop"),)
    assert [(goal.name, goal.amount_cents) for goal in session.goals] == [("seen", 0), ("buy", 100), ("buy", 725)]


@pytest.mark.parametrize(
    ("columns", "amount_cents", "bad"),
    [
        ({"amount": "12.50"}, 1250, 0),
        ({"amount": 12.5}, 1250, 0),
        ({"amount": 0.1 + 0.2}, 30, 0),
        ({"amount": "12.50", "currency": "eur"}, 1250, 0),
        ({"amount": "12.50", "currency": "USD"}, 0, 1),
        ({"amount": "-3"}, 0, 1),
        ({"amount": "a lot"}, 0, 1),
        ({}, 0, 0),
    ],
)
def test_amounts_are_exact_and_those_that_cannot_be_added_are_told(tmp_path, columns, amount_cents, bad):
    event = {"time": AT, "event": "conversion", "name": "order", "visitor": "v"} | columns

    reading = reading_of(ndjson(tmp_path / "e", [event]))

    assert [goal.amount_cents for goal in sessions_of(reading)[0].goals] == [amount_cents]
    assert reading.summary.bad_amounts == bad


def test_damaged_rows_are_counted_with_their_numbers(tmp_path):
    good = json.dumps(EVENTS[0])
    lines = tmp_path / "e.ndjson"
    lines.write_text(f'{good}\n{{"time": 1\n\n[]\n{{"time": "soon", "event": "page_view", "visitor": "v"}}\n')
    table = tmp_path / "e.csv"
    table.write_text('time,event,visitor,url\n2026-03-18,page_view,v,"/a\n b"\n2026-03-18,page_view\n,page_view,v,/\n')

    of_lines, of_table = reading_of(lines).summary, reading_of(table).summary

    assert [(line.number, line.excerpt) for line in of_lines.damaged_lines] == [
        (2, '{"time": 1'),
        (4, "[]"),
        (5, '{"time": "soon", "event": "page_view", "visitor": "v"}'),
    ]
    assert (of_lines.lines, of_lines.page_views, of_lines.classes[LineClass.BLANK]) == (5, 1, 1)
    assert [(line.number, line.excerpt) for line in of_table.damaged_lines] == [
        (4, "2026-03-18,page_view"),
        (5, ",page_view,v,/"),
    ]
    assert of_table.page_views == 1


def test_a_file_without_a_single_event_is_refused(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("time,event,url\n2026-03-18,page_view,/\n")

    with pytest.raises(ImportRefused) as refusal:
        reading_of(path)

    assert refusal.value.message == (
        f"'{path}' holds no events: read as csv, none of its 1 rows tells a time, an event, and one of visitor, "
        "session and address. Say where they stand with --mapping."
    )


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = tmp_path / "e.parquet"
    path.write_bytes(parquet(tmp_path / "whole.parquet", EVENTS).read_bytes()[:-30])

    with pytest.raises(ImportRefused, match="is a damaged or cut off Parquet file"):
        reading_of(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("2026-03-18T10:00:00Z")
    | st.sampled_from(["page_view", "conversion", "https://", "//", "?", "://x/y", "%", "[{", '{"a": 1}']),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(list(COLUMNS)), VALUES), st.sampled_from(["", *shipped()]))
def test_no_row_makes_the_reader_raise(row, mapping):
    reader = EventReader(
        SiteRules(goals=(GoalRule("g", GoalKind.CONVERSION, events=("x",)),)),
        mapping_named(mapping) if mapping else PLAIN,
    )
    for event in (row, {"time": AT, "event": "page_view", "visitor": "v"} | row):
        reader.read_event(event)


# --- mappings -----------------------------------------------------------------------------------------------------


def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(SAMPLES / name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_snowplows_web_events_are_what_a_recount_finds():
    seen: set[str] = set()
    views = Counter()
    paths = Counter()
    duplicates = 0
    for row in rows("snowplow-web-events.csv.gz"):
        if row["event_id"] in seen:
            duplicates += 1
            continue
        seen.add(row["event_id"])
        if row["event_name"] == "page_view":
            who = row["domain_userid"] or row["network_userid"] or row["user_fingerprint"]
            views[who, row["domain_sessionid"]] += 1
            paths[row["page_urlpath"]] += 1

    reading = reading_of(SAMPLES / "snowplow-web-events.csv.gz", mapping="snowplow")

    assert counted(reading) == {"page_views": 49, "other": 108, "duplicates": 3}
    assert (sum(views.values()), duplicates) == (49, 3)
    sessions = sessions_of(reading)
    assert sorted(len(session.page_views) for session in sessions) == sorted(views.values())
    assert Counter(view.path for session in sessions for view in session.page_views) == paths
    assert len(sessions) == 19
    assert {session.utm_source for session in sessions if session.channel == "Display"} == {"google-ad"}


def test_snowplows_shop_events_are_what_a_recount_finds():
    action, transaction = (
        "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1_0_0",
        "contexts_com_snowplowanalytics_snowplow_ecommerce_transaction_1_0_0",
    )
    goals = Counter()
    revenue = Decimal(0)
    for row in rows("snowplow-ecommerce-events.csv.gz"):
        kind = json.loads(row[action])["type"] if row[action].startswith("{") else ""
        sold = json.loads(row[transaction]) if row[transaction].startswith("[{") else []
        if kind in ("product_view", "add_to_cart", "remove_from_cart", "checkout_step"):
            goals[kind.replace("product_view", "view_item")] += 1
        if sold and kind in ("", "transaction"):
            goals["purchase"] += 1
            revenue += Decimal(str(sold[0]["revenue"])) if sold[0]["currency"] == "EUR" else 0

    reading = reading_of(SAMPLES / "snowplow-ecommerce-events.csv.gz", mapping="snowplow")

    found = [goal for session in sessions_of(reading) for goal in session.goals]
    assert reading.summary.goals == dict(goals)
    assert goals == {"view_item": 179, "add_to_cart": 38, "remove_from_cart": 15, "checkout_step": 39, "purchase": 28}
    assert sum(goal.amount_cents for goal in found) == int(revenue * 100)
    assert reading.summary.bad_amounts == 1  # the one in dollars
    assert {session.country for session in sessions_of(reading)} == {"GR", "CZ"}


def parameter(key: str, text: str | None = None, number: int | None = None) -> dict[str, Any]:
    return {"key": key, "value": {"string_value": text, "int_value": number, "float_value": None, "double_value": None}}


def of_google(name: str, at: int, url: str, referrer: str = "", **more: Any) -> dict[str, Any]:
    parameters = [
        parameter("ga_session_id", number=1_773_828_000),
        parameter("page_location", url),
        *([parameter("page_referrer", referrer)] if referrer else []),
        *more.pop("parameters", []),
    ]
    return {
        "event_date": "20260318",
        "event_timestamp": at * 1_000_000 + 123,
        "event_name": name,
        "event_params": parameters,
        "user_pseudo_id": "1234567890.1773828000",
        "device": {"category": "mobile", "operating_system": "Android", "web_info": {"browser": "Chrome"}},
        "geo": {"country": "United States", "region": "California"},
        "ecommerce": more.pop("ecommerce", None),
    }


GOOGLES = [
    of_google("session_start", AT, "https://shop.example/"),
    of_google("page_view", AT, "https://shop.example/?gclid=abc", "https://www.google.com/"),
    of_google("view_item", AT + 5, "https://shop.example/p/1", "https://shop.example/"),
    of_google("page_view", AT + 4 * 3600, "https://shop.example/thanks", "https://shop.example/p/1"),
    of_google(
        "purchase", AT + 4 * 3600 + 1, "https://shop.example/thanks", "https://shop.example/p/1",
        ecommerce={"purchase_revenue": 49.9, "transaction_id": "T1"}, parameters=[parameter("currency", "EUR")],
    ),
]  # fmt: skip

PLAUSIBLES = [
    {
        "timestamp": "2026-03-18 10:00:00", "name": name, "user_id": 42, "session_id": 7, "hostname": "shop.example",
        "pathname": path, "referrer": "google.com", "utm_source": "", "utm_medium": "", "utm_campaign": "",
        "country_code": "US", "screen_size": "Mobile", "browser": "Chrome", "operating_system": "Android",
        "revenue_reporting_amount": amount, "revenue_reporting_currency": "EUR" if amount else "",
    }
    for name, path, amount in (
        ("pageview", "/", ""), ("engagement", "/", ""), ("view_item", "/p/1", ""), ("pageview", "/thanks", ""),
        ("Purchase", "/thanks", "49.9"),
    )
]  # fmt: skip

UMAMIS = [
    {
        "event_id": f"e{place}", "website_id": "w", "session_id": "s1", "visit_id": "v1",
        "created_at": "2026-03-18 10:00:00", "url_path": path, "url_query": query, "referrer_domain": "google.com",
        "page_title": "A page", "event_type": "2" if name else "1", "event_name": name, "hostname": "shop.example",
        "browser": "Chrome", "os": "Android", "device": "mobile", "country": "US",
    }
    for place, (name, path, query) in enumerate((("", "/", "gclid=abc"), ("view_item", "/p/1", ""), ("", "/thanks", "")))
]  # fmt: skip


def test_googles_export_is_read_by_its_mapping(tmp_path):
    for path in (ndjson(tmp_path / "ga.ndjson", GOOGLES), google_parquet(tmp_path / "ga.parquet")):
        reading = reading_of(path, mapping="ga4")

        assert counted(reading) == {"page_views": 2, "goal_hits": 2, "other": 1}
        assert sessions_of(reading) == [
            Session(
                AT,
                (PageView(AT, "/"), PageView(AT + 4 * 3600, "/thanks")),
                (
                    Goal(AT + 5, GoalKind.MICROCONVERSION, "view_item"),
                    Goal(AT + 4 * 3600 + 1, GoalKind.CONVERSION, "purchase", 4990),
                ),
                utm_source="google",
                utm_medium="cpc",
                referrer="https://www.google.com/",
                channel="Paid Search",
                country="US",
                device_type="mobile",
                browser="Chrome",
                os="Android",
            )
        ]


def google_parquet(path: Path) -> Path:
    plain = ndjson(path.with_suffix(".json"), GOOGLES)
    with duckdb.connect() as connection:
        rows = f"SELECT * FROM read_json('{plain}', format = 'newline_delimited')"
        connection.execute(f"COPY ({rows}) TO '{path}' (FORMAT parquet)")
    return path


def test_plausibles_events_are_read_by_their_mapping(tmp_path):
    reading = reading_of(comma_separated(tmp_path / "p.csv", PLAUSIBLES), mapping="plausible")

    assert counted(reading) == {"page_views": 2, "goal_hits": 2, "other": 1}
    assert sessions_of(reading) == [
        Session(
            AT,
            (PageView(AT, "/"), PageView(AT, "/thanks")),
            (Goal(AT, GoalKind.MICROCONVERSION, "view_item"), Goal(AT, GoalKind.CONVERSION, "Purchase", 4990)),
            utm_source="google",
            utm_medium="organic",
            referrer="https://google.com/",
            channel="Organic Search",
            country="US",
            device_type="mobile",
            browser="Chrome",
            os="Android",
        )
    ]


def test_umamis_events_are_read_by_their_mapping(tmp_path):
    reading = reading_of(comma_separated(tmp_path / "u.csv", UMAMIS), mapping="umami")

    assert counted(reading) == {"page_views": 2, "goal_hits": 1}
    assert sessions_of(reading) == [
        Session(
            AT,
            (PageView(AT, "/"), PageView(AT, "/thanks")),
            (Goal(AT, GoalKind.MICROCONVERSION, "view_item"),),
            utm_source="google",
            utm_medium="organic",
            referrer="https://google.com/",
            channel="Organic Search",
            country="US",
            device_type="mobile",
            browser="Chrome",
            os="Android",
        )
    ]


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_mapping_can_be_used(name):
    assert set(mapping_named(name).columns) <= set(COLUMNS)


COLUMNS_OF_MINE = '[columns]\ntime = "t"\nevent = "e"\nvisitor = "v"\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[columns", "is not TOML: "),
        (
            '[colums]\ntime = "t"',
            "there is no colums (did you mean 'columns'?); known are columns, events, names, when_",
        ),
        (COLUMNS_OF_MINE + 'refferer = "r"', "there is no columns.refferer (did you mean 'columns.referrer'?); known"),
        ('[columns]\ntime = "t"\nevent = "e"', "columns must tell time, event and one of visitor, session and address"),
        (COLUMNS_OF_MINE + "url = 3", "columns.url = 3 is not accepted, it takes a text"),
        (
            COLUMNS_OF_MINE + '[events]\nview = "pageview"',
            "events.view = 'pageview' is not accepted, it takes one of page_view, conversion, microconversion, ignored",
        ),
        (
            'time_zone = "Mars"\n' + COLUMNS_OF_MINE,
            "time_zone = 'Mars' is not accepted, it takes a name such as 'Europe/",
        ),
        ("events = 1\n" + COLUMNS_OF_MINE, "events = 1 is not accepted, it takes a table headed [events]"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused_with_what_is_accepted(tmp_path, text, complaint):
    path = tmp_path / "m.toml"
    path.write_text(text)

    with pytest.raises(ImportRefused) as refusal:
        mapping_named(str(path))

    assert refusal.value.message.startswith(f"The mapping '{path}' ")
    assert complaint in refusal.value.message


def test_a_mapping_that_is_not_there_is_refused():
    with pytest.raises(ImportRefused) as unknown:
        mapping_named("snowplough")
    with pytest.raises(ImportRefused) as missing:
        mapping_named("none.toml")

    assert unknown.value.message == (
        "There is no mapping 'snowplough' (did you mean 'snowplow'?); known are ga4, plausible, snowplow, umami, and TOML files."
    )
    assert missing.value.message == "The mapping 'none.toml' cannot be read: No such file or directory."
