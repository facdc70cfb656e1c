"""Both bundled logs, counted a second time by other means: no module of `ingest` takes part in the recount."""

import gzip
import tomllib
from collections import Counter, defaultdict
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import pytest
from crawlerdetect import CrawlerDetect

from fanin.ingest.site_rules import read_site_rules
from fanin.ingest.summaries import LineClass
from fanin.tests.ingest.reading import Reading, read_logs

SAMPLES = Path(__file__).parents[2] / "samples"
BLOG = SAMPLES / "blog-apache-access-2015-05.log.gz"
SHOP = SAMPLES / "shop-nginx-access-2019-01-26.log.gz"


@pytest.fixture(scope="module")
def blog() -> Reading:
    return read_logs([BLOG], read_site_rules(SAMPLES / "blog.toml"))


@pytest.fixture(scope="module")
def shop() -> Reading:
    return read_logs([SHOP], read_site_rules(SAMPLES / "shop.toml"))


def requests(path):
    """(visitor, time, method, path, query, status) of each line, cut at its quotes; None for a line that is cut off."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            parts = line.rstrip("\n").split('"')
            if len(parts) < 7:
                yield None
                continue
            address, *_, day, zone = parts[0].split()
            time = datetime.strptime(f"{day} {zone}", "[%d/%b/%Y:%H:%M:%S %z]").timestamp()
            method, target, _ = parts[1].split(" ")
            place, _, query = target.partition("?")
            yield (address, parts[5]), int(time), method, place, query, parts[2].split()[0]


def count_sessions(times_by_visitor):
    """A session more wherever more than two hours lie between a visitor's hits."""
    found = 0
    for times in times_by_visitor.values():
        last = None
        for time in sorted(times):
            found += last is None or time - last > 7200
            last = time
    return found


class Bots:
    def __init__(self):
        self.detector = CrawlerDetect()
        self.known = {"-": True, "": True}

    def __contains__(self, agent):
        if agent not in self.known:
            self.known[agent] = self.detector.is_crawler(agent)
        return self.known[agent]


def test_the_blog_is_what_a_recount_finds(blog):
    static = (
        ".png .jpg .jpeg .gif .ico .svg .css .js .ttf .woff .swf .xml .xsl .txt .pdf .doc .jar .exe .gz .deb .gem .pyc"
    )
    endings = tuple(static.split())
    downloads = (".gz", ".tgz", ".deb", ".jar", ".exe", ".zip", ".gem")
    bots = Bots()
    times = defaultdict(list)
    lines = damaged = views = fetched = 0
    for request in requests(BLOG):
        lines += 1
        if request is None:
            damaged += 1
            continue
        visitor, time, method, path, query, status = request
        if visitor[1] in bots or method != "GET":
            continue
        is_download = path.startswith("/files/") and path.endswith(downloads) and status == "200"
        is_page = status in ("200", "304") and not path.lower().endswith(endings)
        is_page = is_page and "flav=" not in query and "/view.php" not in path and path != "/wp-login.php"
        views += is_page
        fetched += is_download
        if is_page or is_download:
            times[visitor].append(time)

    summary = blog.summary

    assert (lines, damaged) == (summary.lines, summary.classes[LineClass.DAMAGED]) == (10_000, 1)
    assert views == summary.page_views == 1621
    assert count_sessions(times) == summary.sessions == 1009
    assert {"download": fetched} == summary.goals == {"download": 8}


def test_the_shop_is_what_a_recount_finds(shop):
    parts = (
        "image images settings static simpleCaptcha discountLabel ajaxFilter ajaxSearch province site plugins delivery "
        "message orderAdministration rapidGrails"
    )
    not_pages = {f"/{part}" for part in parts.split()}
    not_pages_either = ("/basket/alert/", "/basket/cities", "/basket/deliveryMethods", "/basket/provinces")
    file_endings = {"png", "jpg", "gif", "ico", "css", "js", "json", "txt", "woff", "woff2"}
    frames = ("/amp-helper-frame.html", "/amp-permission-dialog.html")
    bots = Bots()
    times = defaultdict(list)
    views = lines = 0
    goals = Counter()
    for request in requests(SHOP):
        lines += 1
        assert request is not None
        visitor, time, method, path, _, status = request
        if visitor[1] in bots:
            continue
        reached = []
        if path.startswith(("/product/", "/m/product/")) and (method, status) == ("GET", "200"):
            reached.append("view_item")
        if path.startswith("/basket/add/") and method in ("GET", "POST") and status in ("200", "302"):
            reached.append("add_to_cart")
        if path == "/basket/checkout" and (method, status) == ("GET", "200"):
            reached.append("begin_checkout")
        if path.startswith("/order/create") and status == "200":
            reached.append("purchase")
        goals.update(reached)
        name = path.rsplit("/", 1)[-1].rsplit(".", 1)
        is_file = len(name) == 2 and name[1] in file_endings
        is_part = path[: path.find("/", 1)] in not_pages and path.count("/") > 1
        is_part = is_part or path in frames or path.startswith(not_pages_either)
        is_part = is_part or path.startswith(("/comparison/alert/", "/m/updateVariation", "/m/productImage/"))
        is_view = method == "GET" and status in ("200", "304") and not is_file and not is_part
        views += is_view
        if is_view or reached:
            times[visitor].append(time)

    summary = shop.summary

    assert lines == summary.lines == 80_000
    assert views == summary.page_views == 3566
    assert count_sessions(times) == summary.sessions == 1253
    assert dict(goals) == summary.goals
    assert summary.goals == {"view_item": 1024, "add_to_cart": 37, "begin_checkout": 53, "purchase": 6}


def test_every_line_of_the_samples_has_its_class(blog, shop):
    assert {str(name): count for name, count in blog.summary.classes.items()} == {
        "page_views": 1621,
        "goal_hits": 8,
        "redirects": 62,
        "static_files": 5791,
        "excluded": 917,
        "bots": 1559,
        "spam": 0,
        "other": 41,
        "duplicates": 0,
        "already_there": 0,
        "damaged": 1,
        "blank": 0,
    }
    assert {str(name): count for name, count in shop.summary.classes.items()} == {
        "page_views": 3566,
        "goal_hits": 38,
        "redirects": 821,
        "static_files": 17184,
        "excluded": 54337,
        "bots": 3572,
        "spam": 0,
        "other": 482,
        "duplicates": 0,
        "already_there": 0,
        "damaged": 0,
        "blank": 0,
    }


def test_the_damaged_line_of_the_blog_is_shown(blog):
    [damaged] = blog.summary.damaged_lines

    assert (damaged.file, damaged.number) == (BLOG.name, 8899)
    assert damaged.excerpt.startswith("46.118.127.106 - - [20/May/2015:12:05:17 +0000]")


def test_page_views_and_goals_of_the_sessions_are_those_of_the_summary(blog, shop):
    for reading in (blog, shop):
        goals = Counter(goal.name for session in reading.sessions for goal in session.goals)
        assert len(reading.sessions) == reading.summary.sessions
        assert sum(len(session.page_views) for session in reading.sessions) == reading.summary.page_views
        assert goals == Counter(reading.summary.goals)


def test_hot_linked_pictures_bring_the_shop_no_visits_but_tagged_landings_do(shop):
    sources = Counter(session.utm_source for session in shop.sessions)

    assert sources["torob.com"] == 0
    assert sources["Torob"] == 18
    assert sources["www-zanbil-ir.cdn.ampproject.org"] == sources["zanbil.ir"] == 0


def test_the_channels_of_the_samples(blog, shop):
    assert Counter(session.channel for session in blog.sessions) == {
        "Organic Search": 418,
        "Unassigned": 225,
        "Direct": 220,
        "Referral": 144,
        "Organic Social": 2,
    }
    assert Counter(session.channel for session in shop.sessions) == {
        "Organic Search": 714,
        "Unassigned": 305,
        "Direct": 190,
        "Referral": 44,
    }


def test_most_visitors_of_the_shop_come_with_a_telephone(shop):
    devices = Counter(session.device_type for session in shop.sessions)

    assert devices == {"mobile": 940, "desktop": 267, "tablet": 46}


def test_one_feed_campaign_in_two_spellings_is_one_campaign(blog):
    campaigns = {session.utm_campaign for session in blog.sessions}

    assert campaigns == {"(not set)", "Feed: semicomplete/main (semicomplete.com - Jordan Sissel)"}


def test_the_samples_are_the_files_their_licences_speak_of():
    text = (SAMPLES / "LICENSES.md").read_text(encoding="utf-8")

    data = sorted(SAMPLES.glob("*.gz"))

    assert len(data) == 4
    for path in data:
        assert path.name in text
        assert sha256(path.read_bytes()).hexdigest() in text


def test_the_rule_files_speak_only_of_what_the_logs_hold():
    for name in ("blog.toml", "shop.toml"):
        assert set(tomllib.loads((SAMPLES / name).read_text(encoding="utf-8"))) == {
            "sites",
            "time_zone",
            "currency",
            "exclude",
            "goals",
            "content_groupings",
        }
