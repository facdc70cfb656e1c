import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanin.catalog.errors import BadRequest, InvalidQuery
from fanin.ingest.importing import import_log
from fanin.ingest.log_formats import FORMATS
from fanin.ingest.refusals import ImportRefused
from fanin.ingest.site_rules import GoalRule, Places, SiteRules
from fanin.ingest.summaries import DamagedLine, LineClass
from fanin.tests.facts import stored
from fanin.tests.ingest.reading import read_logs
from fanin.warehouse.facts import GoalKind, PageView, Session
from fanin.warehouse.manifest import read_manifest

RULES = SiteRules(
    sites=("example.com",),
    exclude=Places.of("/private/*"),
    goals=(
        GoalRule("purchase", GoalKind.CONVERSION, Places.of("/order"), ("POST",), amount_parameter="total"),
        GoalRule("view_item", GoalKind.MICROCONVERSION, Places.of("/product/*")),
    ),
)
NO_TEXT = "\N{REPLACEMENT CHARACTER}"
BOT = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"


def rows(warehouse: Path, statement: str) -> list[tuple]:
    return stored(warehouse, statement, "my-site")


@pytest.fixture
def warehouse(tmp_path):
    return tmp_path / "fanin.duckdb"


def test_every_line_is_counted_in_exactly_one_class(write_log, line):
    log = write_log(
        line("/", time="10:00:00", referrer="https://www.google.com/"),
        line("/product/7", time="10:00:20", referrer="https://example.com/"),
        line("/style.css", time="10:00:21"),
        line("/private/x", time="10:00:22"),
        line("/", agent=BOT),
        line("/", referrer="http://100dollars-seo.com/"),
        line("/old", status=301),
        line("/", method="HEAD"),
        line("/missing", status=404),
        line("/order?total=9.99", method="POST", time="10:05:00", referrer="https://example.com/"),
        line("/order?total=free", method="POST", time="10:06:00", referrer="https://example.com/"),
        "",
        line("/")[:-1],
    )

    summary = read_logs([log], RULES).summary

    assert summary.classes == {
        LineClass.PAGE_VIEW: 2,
        LineClass.GOAL: 2,
        LineClass.REDIRECT: 1,
        LineClass.STATIC: 1,
        LineClass.EXCLUDED: 1,
        LineClass.BOT: 1,
        LineClass.SPAM: 1,
        LineClass.OTHER: 2,
        LineClass.DUPLICATE: 0,
        LineClass.ALREADY_THERE: 0,
        LineClass.DAMAGED: 1,
        LineClass.BLANK: 1,
    }
    assert summary.lines == sum(summary.classes.values()) == 13
    assert (summary.page_views, summary.sessions, summary.bad_amounts) == (2, 1, 1)
    assert summary.goals == {"purchase": 2, "view_item": 1}
    assert summary.damaged_lines == (DamagedLine("access.log", 13, line("/")[:-1][:120]),)
    assert summary.first == datetime(2026, 3, 18, 10, 0, tzinfo=UTC)
    assert summary.last == datetime(2026, 3, 18, 10, 6, tzinfo=UTC)
    assert summary.files_read == (str(log),)


PIECES = st.sampled_from(
    [
        "GET",
        "POST",
        "/",
        "/a.css",
        "/private/1",
        "/product/1",
        "200",
        "302",
        "404",
        '"',
        "\\",
        "-",
        " ",
        "[",
        "\x00",
        "é",
    ]
)


@given(st.lists(st.lists(PIECES, max_size=8).map("".join), max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_classes_add_up_whatever_the_lines(write_log, line, texts):
    good = [line("/")] * (2 * len(texts) + 1)  # enough of them, and first, for the file to be a log
    log = write_log(*good, *(line(text) for text in texts), *texts)

    summary = read_logs([log], RULES).summary

    assert summary.lines == sum(summary.classes.values()) == 4 * len(texts) + 1


def test_lines_need_not_be_in_order_of_time(write_log, line):
    log = write_log(
        line("/c", time="13:00:00", referrer="https://example.com/b"),
        line("/a", time="10:00:00", referrer="https://www.google.com/"),
        line("/b", time="11:30:00", referrer="https://example.com/a"),
    )

    [session] = read_logs([log], RULES).sessions

    assert [page.path for page in session.page_views] == ["/a", "/b", "/c"]
    assert session.utm_source == "google"


def test_lines_of_one_second_stay_in_the_order_of_the_file(write_log, line):
    log = write_log(line("/a"), line("/b"), line("/c"))

    [session] = read_logs([log], RULES).sessions

    assert [page.path for page in session.page_views] == ["/a", "/b", "/c"]


def test_a_visitor_is_an_address_with_a_user_agent(write_log, line):
    log = write_log(line(), line(address="8.8.4.4"), line(agent="Something else"), line())

    assert read_logs([log], RULES).summary.sessions == 3


def test_times_with_zones_are_one_time_line(write_log, line):
    log = write_log(line("/a", time="13:30:00", zone="+0330"), line("/b", time="10:30:00"))

    [session] = read_logs([log], RULES).sessions

    assert session.page_views == (PageView(1_773_828_000, "/a"), PageView(1_773_829_800, "/b"))


def test_a_visit_runs_on_from_one_file_into_the_next(write_log, line):
    first = write_log(line("/a", time="23:59:00"), name="access.log.1")
    second = write_log(line("/b", time="23:59:30", referrer="https://example.com/a"), name="access.log")

    reading = read_logs([second, first], RULES)

    [session] = reading.sessions
    assert [page.path for page in session.page_views] == ["/a", "/b"]


def test_a_redirected_landing_keeps_its_tags(write_log, line):
    log = write_log(
        line("/?utm_source=Torob&utm_medium=PPC", status=302, time="10:00:00"),
        line("/m", time="10:00:01"),
    )

    assert read_logs([log], RULES).sessions == [
        Session(
            start=1_773_828_001,
            page_views=(PageView(1_773_828_001, "/m"),),
            utm_source="Torob",
            utm_medium="PPC",
            channel="Unassigned",
            country="US",
            browser="Firefox",
            os="Linux",
        )
    ]


def test_an_import_lands_in_the_warehouse(write_log, line, warehouse):
    log = write_log(line("/"), line("/product/7"), line("/order?total=12.50", method="POST"))

    import_log([log], "my-site", warehouse, RULES)

    account = read_manifest(warehouse).entries["my-site"].account
    assert (account.time_zone, account.currency, account.data_version) == ("UTC", "EUR", 1)
    assert rows(warehouse, "SELECT count(*) FROM sessions") == [(1,)]
    assert rows(warehouse, "SELECT count(*) FROM page_views") == [(2,)]
    assert rows(warehouse, "SELECT sum(amount_cents) FROM goals") == [(1250,)]


def test_the_same_file_twice_changes_nothing_and_says_so(write_log, line, warehouse, tmp_path):
    log = write_log(line("/"))
    packed = tmp_path / "renamed.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    import_log([log], "my-site", warehouse, RULES)

    again = import_log([packed, log], "my-site", warehouse, RULES)

    assert (again.lines, again.sessions, again.files_read) == (0, 0, ())
    assert again.files_already_there == (str(packed), str(log))
    assert read_manifest(warehouse).entries["my-site"].account.data_version == 1
    assert rows(warehouse, "SELECT count(*) FROM sessions") == [(1,)]


def test_a_file_given_twice_is_read_once(write_log, line, warehouse):
    log = write_log(line("/"))

    summary = import_log([log, log], "my-site", warehouse, RULES)

    assert (summary.lines, summary.files_read, summary.files_already_there) == (1, (str(log),), (str(log),))


def test_a_new_file_beside_a_known_one_is_imported(write_log, line, warehouse):
    old = write_log(line("/"), name="old.log")
    new = write_log(line("/", time="20:00:00"), name="new.log")
    import_log([old], "my-site", warehouse, RULES)

    summary = import_log([old, new], "my-site", warehouse, RULES)

    assert (summary.files_read, summary.files_already_there) == ((str(new),), (str(old),))
    assert rows(warehouse, "SELECT count(*) FROM sessions") == [(2,)]


def test_the_same_file_may_be_imported_into_another_account(write_log, line, warehouse):
    log = write_log(line("/"))
    import_log([log], "one", warehouse, RULES)

    assert import_log([log], "two", warehouse, RULES).files_read == (str(log),)


def test_a_log_without_page_views_is_remembered_too(write_log, line, warehouse):
    log = write_log(line("/a.css"))
    import_log([log], "my-site", warehouse, RULES)

    assert import_log([log], "my-site", warehouse, RULES).files_already_there == (str(log),)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "it is empty"),
        (b"\n\n \n", "it is empty"),
        (b"\x00\x01\x02\xff" * 99, f"of its first 1 lines none is read; the first is '{NO_TEXT * 80}…'"),
        (b"# Read me\n\nThis is a text.\n", "of its first 2 lines none is read; the first is '# Read me'"),
        (b"color,size\n" * 500, "of its first 100 lines none is read; the first is 'color,size'"),
    ],
)
def test_what_is_no_log_is_refused_and_nothing_is_written(tmp_path, line, write_log, warehouse, content, found):
    path = tmp_path / "strange"
    path.write_bytes(content)

    with pytest.raises(ImportRefused) as refusal:
        import_log([write_log(line("/")), path], "my-site", warehouse, RULES)

    assert refusal.value.message == (
        f"'{path}' is in none of the formats {', '.join(FORMATS)}: {found}. "
        "Name the format with --format, which takes an nginx log_format or an Apache LogFormat too."
    )
    assert not warehouse.exists()


def test_a_log_may_be_damaged_in_half_of_its_lines_but_not_in_more(write_log, line):
    half = write_log(*[line("/"), "damaged"] * 50, name="half.log")
    more = write_log(*[line("/"), "damaged"] * 49, "damaged", "damaged", name="more.log")

    assert read_logs([half], RULES).summary.classes[LineClass.DAMAGED] == 50
    with pytest.raises(ImportRefused, match="of its first 100 lines combined reads 49"):
        read_logs([more], RULES)


def test_only_the_first_damaged_lines_are_kept_with_their_numbers(write_log, line):
    log = write_log(*[line("/")] * 9, *[f"bad\x1b {number}" for number in range(9)])

    summary = read_logs([log], RULES).summary

    assert summary.classes[LineClass.DAMAGED] == 9
    assert summary.damaged_lines == tuple(
        DamagedLine("access.log", 10 + number, f"bad\ufffd {number}") for number in range(5)
    )


def test_a_refused_import_leaves_the_warehouse_as_it_was(write_log, line, warehouse, tmp_path):
    import_log([write_log(line("/"))], "my-site", warehouse, RULES)
    before = warehouse.read_bytes()

    with pytest.raises(ImportRefused, match="cannot be read: No such file"):
        import_log([tmp_path / "missing.log"], "my-site", warehouse, RULES)

    assert warehouse.read_bytes() == before


def test_an_account_kept_in_another_currency_is_refused(write_log, line, warehouse):
    import_log([write_log(line("/"))], "my-site", warehouse, RULES)

    with pytest.raises(BadRequest, match="USD"):
        import_log([write_log(line("/b"), name="b")], "my-site", warehouse, SiteRules(currency="USD"))


def test_an_account_id_must_be_one(write_log, line, warehouse):
    with pytest.raises(InvalidQuery, match="is no account id"):
        import_log([write_log(line("/"))], "../x", warehouse, RULES)
    assert not warehouse.exists()


def test_progress_is_told_in_bytes_up_to_the_whole(write_log, line, warehouse):
    logs = [write_log(line("/"), name="a"), write_log(line("/b"), line("/c"), name="b")]
    seen = []
    import_log(logs, "my-site", warehouse, RULES, progress=lambda done, total: seen.append((done, total)))
    sizes = [log.stat().st_size for log in logs]

    assert seen == [(sizes[0], sum(sizes)), (sum(sizes), sum(sizes))]
