import re
from ipaddress import ip_network

import pytest

from fanin.ingest.refusals import ImportRefused
from fanin.ingest.site_rules import ContentGrouping, GoalRule, Places, SiteRules, own_hosts, read_site_rules
from fanin.warehouse.facts import GoalKind

WHOLE = """
sites = ["WWW.Example.com:443", "example.org"]
time_zone = "Europe/Madrid"
currency = "USD"
keep_parameters = ["id"]
pass_through = "pay.example"
exclude = ["/img/*", "*?flav=*"]
include = "/*"
page_method = ["GET", "POST"]
page_status = 200
page_type = [".PDF", "txt"]
hosts = "Shop.Example.com"
exclude_addresses = ["192.0.2.7", "2001:db8::/32"]
exclude_agents = ["UptimeRobot"]

[[goals]]
name = "purchase"
kind = "conversion"
path = "/thanks"
method = ["GET", "POST"]
status = [200, 302]
amount_parameter = "total"

[[goals]]
name = "lead"
kind = "conversion"
path = "^/lead/[0-9]+$"
amount = "12.50"

[[goals]]
name = "paid"
kind = "conversion"
path = "/paid/*"
amount_path = "^/paid/([0-9.]+)$"

[[goals]]
name = "signup"
kind = "microconversion"
event = ["Signup", "signup_done"]

[[content_groupings]]
name = "Blog"
path = ["/blog", "/blog/*"]
"""


@pytest.fixture
def rules_file(tmp_path):
    def write(text: str):
        path = tmp_path / "site.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_rules_file_is_read_whole(rules_file):
    assert read_site_rules(rules_file(WHOLE)) == SiteRules(
        sites=("example.com", "example.org"),
        time_zone="Europe/Madrid",
        currency="USD",
        keep_parameters=("id",),
        pass_through=("pay.example",),
        exclude=Places.of("/img/*", "*?flav=*"),
        goals=(
            GoalRule(
                "purchase",
                GoalKind.CONVERSION,
                Places.of("/thanks"),
                ("GET", "POST"),
                ("200", "302"),
                amount_parameter="total",
            ),
            GoalRule("lead", GoalKind.CONVERSION, Places.of("^/lead/[0-9]+$"), amount_cents=1250),
            GoalRule("paid", GoalKind.CONVERSION, Places.of("/paid/*"), amount_path=re.compile("^/paid/([0-9.]+)$")),
            GoalRule("signup", GoalKind.MICROCONVERSION, events=("Signup", "signup_done")),
        ),
        include=Places.of("/*"),
        page_methods=("GET", "POST"),
        page_statuses=("200",),
        page_types=("pdf", "txt"),
        hosts=("shop.example.com",),
        exclude_addresses=(ip_network("192.0.2.7"), ip_network("2001:db8::/32")),
        exclude_agents=("uptimerobot",),
        content_groupings=(ContentGrouping("Blog", Places.of("/blog", "/blog/*")),),
    )


def test_an_empty_file_is_the_default(rules_file):
    assert read_site_rules(rules_file("")) == SiteRules()


KNOWN = (
    "sites, time_zone, currency, hosts, include, exclude, page_method, page_status, page_type, exclude_addresses, "
    "exclude_agents, keep_parameters, pass_through, goals, content_groupings"
)
GOAL = '[[goals]]\nname = "a"\nkind = "conversion"\npath = "/a"\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            'site = ["a.com"]',
            f"site = ['a.com'] is not accepted, it takes no such key (did you mean 'sites'?); known are {KNOWN}",
        ),
        (
            'sites = ["https://a.com/"]',
            "sites = 'https://a.com/' is not accepted, it takes host names such as 'example.com', "
            "without scheme and path",
        ),
        ("sites = 3", "sites = 3 is not accepted, it takes a text or a list of texts"),
        (
            'time_zone = "Mars/Base"',
            "time_zone = 'Mars/Base' is not accepted, it takes the name of a time zone such as 'Europe/Madrid'",
        ),
        (
            'time_zone = "../etc/passwd"',
            "time_zone = '../etc/passwd' is not accepted, it takes the name of a time zone such as 'Europe/Madrid'",
        ),
        (
            'currency = "usd"',
            "currency = 'usd' is not accepted, it takes a currency of three capital letters such as 'EUR'",
        ),
        (
            'exclude = ["img"]',
            "exclude = 'img' is not accepted, it takes paths such as '/blog/*', with a parameter '/*?page=*', "
            "or expressions such as '^/p/[0-9]+$'",
        ),
        (
            'exclude = ["^/("]',
            "exclude = ['^/('] is not accepted, it takes paths such as '/blog/*', with a parameter '/*?page=*', "
            "or expressions such as '^/p/[0-9]+$'",
        ),
        ("goals = 1", "goals = 1 is not accepted, it takes tables, each headed [[goals]]"),
        (
            GOAL.replace("conversion", "order"),
            "goals[1].kind = 'order' is not accepted, it takes 'conversion' or 'microconversion'",
        ),
        (GOAL.replace('name = "a"\n', ""), "goals[1].name is missing"),
        (GOAL.replace('path = "/a"\n', ""), "goals[1].path is missing"),
        (
            'exclude_addresses = ["10.0.0.0/8", "10.0.0.1/8"]',
            "exclude_addresses = '10.0.0.1/8' is not accepted, it takes addresses and ranges of them such as "
            "'192.0.2.7' or '10.0.0.0/8'",
        ),
        (
            'page_type = "*.pdf"',
            "page_type = '*.pdf' is not accepted, it takes endings of file names such as 'pdf'",
        ),
        (
            GOAL + 'amount_path = "^/paid/[0-9.]+$"',
            "goals[1].amount_path = '^/paid/[0-9.]+$' is not accepted, it takes an expression with the amount in "
            "brackets such as '^/paid/([0-9.]+)$'",
        ),
        (
            GOAL + 'amount = "12,50"',
            "goals[1].amount = '12,50' is not accepted, it takes an amount in quotes such as '12.50'",
        ),
        (
            GOAL + "amount = 12.5",
            "goals[1].amount = 12.5 is not accepted, it takes an amount in quotes such as '12.50'",
        ),
        (
            GOAL.replace("conversion", "microconversion") + 'amount = "1"',
            "goals[1].amount = '1' is not accepted, it takes no value in a microconversion, which carries no money",
        ),
        (GOAL + "status = 20", "goals[1].status = 20 is not accepted, it takes HTTP statuses from 100 to 599"),
        (
            GOAL + 'method = "get"',
            "goals[1].method = 'get' is not accepted, it takes HTTP methods in capitals such as 'POST'",
        ),
        (
            GOAL + "amounts = 1",
            "goals[1].amounts = 1 is not accepted, it takes no such key (did you mean 'amount'?); "
            "known are name, kind, path, method, status, event, amount, amount_parameter, amount_path",
        ),
        (
            '[[content_groupings]]\nname = ""\npath = "/"',
            "content_groupings[1].name = '' is not accepted, it takes a text of 1 to 255 characters",
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_what_is_accepted(rules_file, text, complaint):
    path = rules_file(text)

    with pytest.raises(ImportRefused) as refusal:
        read_site_rules(path)

    assert refusal.value.message == f"The rules file '{path}' cannot be used: {complaint}."


def test_what_is_no_toml_is_refused_in_a_sentence(rules_file):
    with pytest.raises(ImportRefused, match=r"^The rules file '.*site\.toml' is not TOML: .*\.$"):
        read_site_rules(rules_file("sites = "))


def test_a_missing_file_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(ImportRefused, match=r"none\.toml' cannot be read: No such file or directory\.$"):
        read_site_rules(tmp_path / "none.toml")


def test_own_hosts_are_checked_and_spelt_one_way():
    assert own_hosts(["WWW.A.com", "b.com:80"]) == ("a.com", "b.com")
    with pytest.raises(ImportRefused, match=r"^sites = 'http://a/' is not accepted"):
        own_hosts(["http://a/"])


@pytest.mark.parametrize(
    ("text", "path", "query", "holds"),
    [
        ("/blog", "/blog", "", True),
        ("/blog", "/blog", "a=1", True),
        ("/blog", "/blog/", "", False),
        ("/blog/*", "/blog/a/b", "", True),
        ("/blog/*", "/my/blog/a", "", False),
        ("/a.b", "/axb", "", False),
        ("*/feed", "/blog/x/feed", "", True),
        ("/*?flav=*", "/tags", "flav=rss20", True),
        ("/*?flav=rss*", "/tags", "a=b&flav=rss20&c=d", True),
        ("/*?flav=*", "/tags", "flavour=x", False),
        ("/*?flav=*", "/tags", "", False),
        ("^/p/[0-9]+$", "/p/12", "x=y", True),
        ("^/p/[0-9]+$", "/p/12/x", "", False),
        ("/سبد", "/سبد", "", True),
        ("/line*", "/line\nbreak", "", True),
    ],
)
def test_places_hold_the_addresses_they_name(text, path, query, holds):
    assert Places.of(text).hold(path, query) is holds


def test_no_places_hold_nothing():
    assert not Places.of().hold("/", "")
