import re
from ipaddress import ip_network

import pytest

from fanin.catalog.channels import classify
from fanin.ingest.hits import CLICK_IDS, HitReader
from fanin.ingest.log_lines import parse_line
from fanin.ingest.sessions import Arrival, Hit
from fanin.ingest.site_rules import ContentGrouping, GoalRule, Places, SiteRules
from fanin.ingest.summaries import LineClass
from fanin.warehouse.facts import Goal, GoalKind, PageView

AT = 1_773_828_000  # 2026-03-18 10:00:00 UTC
SITE = SiteRules(sites=("example.com",))
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture
def read(line):
    def read(target="/", rules=SITE, **fields):
        parsed = parse_line(line(target, **fields))
        assert parsed is not None
        return HitReader(rules).read(parsed)

    return read


def test_a_page_view_is_a_hit_at_its_readable_path(read):
    assert read("/caf%C3%A9?x=1") == (LineClass.PAGE_VIEW, Hit(AT, False, None, PageView(AT, "/café")))


@pytest.mark.parametrize("status", [200, 304])
def test_a_page_that_was_sent_or_was_still_known_is_viewed(read, status):
    assert read(status=status)[0] is LineClass.PAGE_VIEW


@pytest.mark.parametrize("status", [204, 206, 400, 403, 404, 408, 416, 499, 500, 503])
def test_other_statuses_are_no_page_views(read, status):
    assert read(status=status) == (LineClass.OTHER, None)


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "PUT"])
def test_other_methods_are_no_page_views(read, method):
    assert read(method=method) == (LineClass.OTHER, None)


@pytest.mark.parametrize(
    "target",
    [
        "/a.css",
        "/a.JS?v=1",
        "/pictures/x.jpeg",
        "/favicon.ico",
        "/%2Fstatic%2Fimages%2Ffavicon.ico",
        "/feed.rss",
        "/feed/atom.xml",
        "/robots.txt",
        "/manifest.json",
        "/font.woff2",
        "/files/a.tar.gz",
        "/paper.pdf",
    ],
)
def test_static_files_are_told_by_their_ending(read, target):
    assert read(target) == (LineClass.STATIC, None)


@pytest.mark.parametrize(
    "target", ["/", "/a.html", "/a.php?x=y.png", "/a.aspx", "/script.py", "/v1.5/notes", "/a.b/", "/a.xhtml", "/c++"]
)
def test_other_endings_are_pages(read, target):
    assert read(target)[0] is LineClass.PAGE_VIEW


def test_what_the_rules_exclude_is_no_page(read):
    assert read("/image/3", SiteRules(exclude=Places.of("/image/*"))) == (LineClass.EXCLUDED, None)


def test_what_the_rules_do_not_include_is_no_page(read):
    rules = SiteRules(include=Places.of("/shop/*"), exclude=Places.of("/shop/image/*"))

    found = [read(path, rules)[0] for path in ("/shop/a", "/blog", "/shop/image/3")]

    assert found == [LineClass.PAGE_VIEW, LineClass.EXCLUDED, LineClass.EXCLUDED]


def test_which_methods_statuses_and_endings_make_a_page_can_be_said(read):
    rules = SiteRules(page_methods=("GET", "POST"), page_statuses=("200", "404"), page_types=("pdf",))

    assert read("/a", rules, method="POST")[0] is LineClass.PAGE_VIEW
    assert read("/a", rules, status=404)[0] is LineClass.PAGE_VIEW
    assert read("/a", rules, status=304)[0] is LineClass.OTHER
    assert read("/paper.PDF", rules)[0] is LineClass.PAGE_VIEW
    assert read("/paper.ps", rules)[0] is LineClass.STATIC


@pytest.mark.parametrize(
    ("address", "is_excluded"),
    [("10.1.2.3", True), ("192.0.2.7", True), ("192.0.2.8", False), ("2001:db8::1", True), ("host.example", False)],
)
def test_staff_is_excluded_by_address(read, address, is_excluded):
    networks = tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32")))

    found = read(rules=SiteRules(exclude_addresses=networks), address=address)[0]

    assert found is (LineClass.EXCLUDED if is_excluded else LineClass.PAGE_VIEW)


def test_a_user_agent_can_be_excluded_by_a_part_of_it(read):
    rules = SiteRules(exclude_agents=("shopapp/",))

    assert read(rules=rules, agent="Mozilla/5.0 ShopApp/7 Firefox/128.0") == (LineClass.EXCLUDED, None)
    assert read(rules=rules)[0] is LineClass.PAGE_VIEW


def test_of_a_log_of_many_hosts_only_those_named_count(line):
    reader = HitReader(SiteRules(hosts=("example.com",)))
    asked = parse_line(line("/"))
    assert asked is not None

    found = [reader.read(asked._replace(host=host))[0] for host in ("WWW.Example.com:443", "other.org", "")]

    assert found == [LineClass.PAGE_VIEW, LineClass.EXCLUDED, LineClass.PAGE_VIEW]


@pytest.mark.parametrize("agent", ["-", "", BOT])
def test_bots_view_no_pages(read, agent):
    assert read(agent=agent) == (LineClass.BOT, None)


def test_a_spam_referrer_is_dropped(read):
    assert read(referrer="http://www.100dollars-seo.com/x") == (LineClass.SPAM, None)


@pytest.mark.parametrize("target", ["*", "example.com:443"])
def test_what_is_no_path_is_no_page(read, target):
    assert read(target) == (LineClass.OTHER, None)


@pytest.mark.parametrize(("target", "path"), [("http://example.com/a?b", "/a"), ("https://example.com", "/")])
def test_an_address_in_full_is_its_path(read, target, path):
    assert read(target)[1].page_view.path == path


def test_a_page_is_counted_without_its_query_but_for_kept_parameters(read):
    rules = SiteRules(keep_parameters=("id", "lang"))

    assert read("/a?x=1&lang=fa&id=%D8%A7", rules)[1].page_view.path == "/a?lang=fa&id=ا"
    assert read("/a?x=1", rules)[1].page_view.path == "/a"


def test_the_first_content_grouping_that_holds_a_page_is_its_own(read):
    rules = SiteRules(
        content_groupings=(
            ContentGrouping("Tags", Places.of("/blog/tags/*")),
            ContentGrouping("Blog", Places.of("/blog/*")),
        )
    )

    found = [read(path, rules)[1].page_view.content_grouping for path in ("/blog/tags/x", "/blog/x", "/x")]

    assert found == ["Tags", "Blog", ""]


@pytest.mark.parametrize(
    "referrer",
    ["https://example.com/a", "http://www.example.com/", "https://WWW.Example.COM:8080/a?b"],
)
def test_a_referrer_of_an_own_host_is_the_same_site(read, referrer):
    hit = read(referrer=referrer)[1]

    assert (hit.is_same_site, hit.arrival) == (True, None)


def test_a_subdomain_is_another_site_unless_it_is_listed(read):
    assert read(referrer="https://shop.example.com/")[1].arrival == Arrival(
        "shop.example.com", "referrer", referrer="https://shop.example.com/"
    )


def test_an_external_referrer_is_an_arrival_and_keeps_its_address_without_query(read):
    assert read(referrer="https://www.google.com/search?q=x#top")[1].arrival == Arrival(
        "google", "organic", "(not set)", "", "", "https://www.google.com/search"
    )


def test_tags_come_before_the_referrer_and_are_kept_as_written(read):
    target = "/?utm_source=+Torob&utm_medium=PPC&utm_campaign=Feed%3A+a&utm_term=x&utm_content=y"

    assert read(target, referrer="https://api.torob.com/")[1].arrival == Arrival(
        "Torob", "PPC", "Feed: a", "x", "y", "https://api.torob.com/", is_tagged=True
    )


@pytest.mark.parametrize(
    ("query", "labels"),
    [
        ("utm_medium=email", ("(not set)", "email", "(not set)")),
        ("utm_source=news", ("news", "(none)", "(not set)")),
        ("utm_campaign=spring", ("(not set)", "(none)", "spring")),
        ("UTM_Source=news&utm_medium=", ("news", "(none)", "(not set)")),
    ],
)
def test_missing_tags_have_their_labels(read, query, labels):
    assert read(f"/?{query}")[1].arrival[:3] == labels


def test_empty_tags_are_none(read):
    assert read("/?utm_source=&utm_medium=+")[1].arrival is None


def test_a_tag_is_bounded_in_length(read):
    assert read(f"/?utm_source={'x' * 999}")[1].arrival.source == "x" * 255


@pytest.mark.parametrize(("name", "origin"), CLICK_IDS.items())
def test_a_click_id_stands_in_for_missing_tags_in_any_case(read, name, origin):
    expected = Arrival(origin.source, origin.medium, referrer="https://www.google.com/", is_tagged=True)

    for spelt in (name, name.upper()):
        assert read(f"/?{spelt}=abc", referrer="https://www.google.com/")[1].arrival == expected
    assert read(f"/?{name}=abc&utm_source=own", referrer="https://www.google.com/")[1].arrival.source == "own"


def test_click_ids_fall_into_the_channels_of_their_networks():
    channels = {name: classify(origin.source, origin.medium) for name, origin in CLICK_IDS.items()}

    assert channels == {
        **dict.fromkeys(("gclid", "gbraid", "wbraid", "msclkid", "yclid"), "Paid Search"),
        **dict.fromkeys(("ttclid", "twclid", "li_fat_id", "epik", "rdt_cid", "sccid"), "Paid Social"),
        **dict.fromkeys(("fbclid", "igshid"), "Organic Social"),
        "dclid": "Display",
    }


@pytest.mark.parametrize(
    ("host", "source", "channel"),
    [("chatgpt.com", "chatgpt", "AI"), ("www.perplexity.ai", "perplexity", "AI"), ("claude.ai", "claude", "AI")],
)
def test_a_visit_from_an_ai_assistant_is_told_from_other_referrals(read, host, source, channel):
    arrival = read(referrer=f"https://{host}/")[1].arrival

    assert (arrival.source, classify(arrival.source, arrival.medium)) == (source, channel)


def test_tags_on_a_link_of_the_site_itself_say_nothing(read):
    assert read("/?utm_source=banner", referrer="https://example.com/")[1].arrival is None


def test_a_host_that_visitors_are_only_sent_through_says_nothing(read):
    rules = SiteRules(sites=("example.com",), pass_through=("pay.example",))

    assert read(referrer="https://www.pay.example/done", rules=rules)[1] == Hit(AT, False, None, PageView(AT, "/"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_hands_on_where_the_visitor_came_from(read, status):
    assert read("/?utm_source=a", status=status) == (
        LineClass.REDIRECT,
        Hit(AT, False, Arrival("a", "(none)", is_tagged=True)),
    )


def test_a_redirect_without_an_arrival_is_counted_and_forgotten(read):
    assert read(status=302) == (LineClass.REDIRECT, None)
    assert read(status=302, referrer="https://example.com/") == (LineClass.REDIRECT, None)


def test_a_tagged_picture_is_no_arrival(read):
    assert read("/a.png?utm_source=x", referrer="https://torob.com/") == (LineClass.STATIC, None)


PURCHASE = GoalRule("purchase", GoalKind.CONVERSION, Places.of("/order/*"), ("GET", "POST"), ("200",), 1250)
ADD = GoalRule("add", GoalKind.MICROCONVERSION, Places.of("/basket/add/*"), statuses=("302",))
SHOP = SiteRules(sites=("example.com",), goals=(PURCHASE, ADD), exclude=Places.of("/basket/*"))


def test_a_page_can_be_a_page_view_and_a_goal(read):
    assert read("/order/1", SHOP) == (
        LineClass.PAGE_VIEW,
        Hit(AT, False, None, PageView(AT, "/order/1"), (Goal(AT, GoalKind.CONVERSION, "purchase", 1250),)),
    )


def test_a_goal_need_be_no_page_view(read):
    posted = Hit(AT, False, None, None, (Goal(AT, GoalKind.CONVERSION, "purchase", 1250),))
    redirected = Hit(AT, True, None, None, (Goal(AT, GoalKind.MICROCONVERSION, "add"),))

    assert read("/order/1", SHOP, method="POST") == (LineClass.GOAL, posted)
    assert read("/basket/add/7?x=1", SHOP, status=302, referrer="https://example.com/p") == (LineClass.GOAL, redirected)


def test_a_goal_is_reached_only_with_its_method_and_status(read):
    assert read("/order/1", SHOP, status=302) == (LineClass.REDIRECT, None)
    assert read("/order/1", SHOP, status=500) == (LineClass.OTHER, None)
    assert read("/basket/add/7", SHOP, status=200) == (LineClass.EXCLUDED, None)


def test_a_bot_reaches_no_goal(read):
    assert read("/order/1", SHOP, agent=BOT) == (LineClass.BOT, None)


def test_a_download_can_be_a_goal(read):
    rules = SiteRules(goals=(GoalRule("download", GoalKind.MICROCONVERSION, Places.of("/files/*.pdf")),))

    assert read("/files/a.pdf", rules) == (
        LineClass.GOAL,
        Hit(AT, False, None, None, (Goal(AT, GoalKind.MICROCONVERSION, "download"),)),
    )
    assert read("/files/a.pdf", rules, status=404) == (LineClass.STATIC, None)


def test_an_amount_can_stand_in_the_query(read, line):
    rule = GoalRule("purchase", GoalKind.CONVERSION, Places.of("/thanks"), amount_parameter="total")
    reader = HitReader(SiteRules(goals=(rule,)))
    totals = ["total=12.50", "total=7", "total=lots", "other=1"]
    lines = [parse_line(line(f"/thanks?{total}")) for total in totals]

    hits = [reader.read(one)[1] for one in lines if one]

    assert [hit.goals[0].amount_cents for hit in hits if hit] == [1250, 700, 0, 0]
    assert [reader.bad_amounts(one) for one in lines if one] == [0, 0, 1, 1]


def test_an_amount_can_stand_in_the_path(line):
    rule = GoalRule("paid", GoalKind.CONVERSION, Places.of("/paid/*"), amount_path=re.compile("^/paid/([0-9.]+)/ok$"))
    reader = HitReader(SiteRules(goals=(rule,)))
    lines = [parse_line(line(f"/paid/{end}")) for end in ("12.50/ok", "7/ok", "ok", "1.2.3/ok")]

    hits = [reader.read(one)[1] for one in lines if one]

    assert [hit.goals[0].amount_cents for hit in hits if hit] == [1250, 700, 0, 0]
    assert [reader.bad_amounts(one) for one in lines if one] == [0, 0, 1, 1]


def test_targets_that_were_forgotten_are_described_anew(line, monkeypatch):
    monkeypatch.setattr("fanin.ingest.hits.KEPT_TARGETS", 2)
    reader = HitReader(SITE)

    classes = [
        reader.read(parsed)[0]
        for target in ("/a", "/b.css", "/c", "/a", "/b.css")
        if (parsed := parse_line(line(target)))
    ]

    assert classes == [
        LineClass.PAGE_VIEW,
        LineClass.STATIC,
        LineClass.PAGE_VIEW,
        LineClass.PAGE_VIEW,
        LineClass.STATIC,
    ]
