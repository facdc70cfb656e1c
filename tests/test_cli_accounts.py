"""``fanin accounts init``: a settings file that reads back as what was said, and as what a log shows."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from fanin.ingest.learning import learn
from fanin.ingest.site_rules import TOP, SiteRules, read_site_rules
from fanin.tests.ingest.reading import read_logs
from fanin.tests.test_cli import fanin

SAMPLES = Path(__file__).parent.parent / "samples"
SHOP = SAMPLES / "shop-nginx-access-2019-01-26.log.gz"
BLOG = SAMPLES / "blog-apache-access-2015-05.log.gz"


def test_a_new_settings_file_reads_back_as_what_was_said(tmp_path: Path) -> None:
    said = ("--site", "WWW.Acme.example", "--timezone", "Europe/Madrid", "--currency", "usd")

    made = fanin(tmp_path, "accounts", "init", "acme", *said)
    again = fanin(tmp_path, "accounts", "init", "acme")
    printed = fanin(tmp_path, "accounts", "init", "acme", "--output", "-", *said)

    assert (made.returncode, made.stderr) == (0, "acme.toml written\n")
    assert read_site_rules(tmp_path / "acme.toml") == SiteRules(("acme.example",), "Europe/Madrid", "USD")
    assert printed.stdout == (tmp_path / "acme.toml").read_text()
    assert again.returncode == 2
    assert again.stderr == "fanin: acme.toml is there already and stays as it is; name another with --output\n"


def test_every_key_is_in_a_new_settings_file_and_works_when_its_comment_is_taken_away(tmp_path: Path) -> None:
    fanin(tmp_path, "accounts", "init", "acme")
    lines = (tmp_path / "acme.toml").read_text().splitlines()
    keys = [line.removeprefix("# ") if " = " in line or "[[" in line else line for line in lines if "Use:" not in line]
    (tmp_path / "all.toml").write_text("\n".join(keys))

    assert set(tomllib.loads("\n".join(keys))) == set(TOP)
    assert read_site_rules(tmp_path / "all.toml").goals[0].amount_cents == 1250


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no slug!",), "is no account id"),
        (("acme", "--timezone", "Mars/Base"), "time_zone = 'Mars/Base' is not accepted"),
        (("acme", "--currency", "money"), "currency = 'MONEY' is not accepted"),
        (("acme", "--from", "missing.log"), "'missing.log' cannot be read"),
        (("acme", "--output", "no/where.toml"), "no/where.toml cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = fanin(tmp_path, "accounts", "init", *arguments)

    assert (done.returncode, done.stderr.count("\n"), said in done.stderr) == (2, 1, True)
    assert list(tmp_path.iterdir()) == []


def test_what_a_log_shows_of_its_site_is_written_down(tmp_path: Path) -> None:
    made = fanin(tmp_path, "accounts", "init", "shop", "--from", SHOP)

    rules = read_site_rules(tmp_path / "shop.toml")
    assert made.stderr == (
        "shop.toml written: learned from 80,000 requests, own host zanbil.ir, 8 kinds of paths that are no pages\n"
    )
    assert (rules.sites, rules.exclude.texts) == (
        ("zanbil.ir",),
        (
            "/image/*",
            "/settings/*",
            "/rapidGrails/*",
            "/site/*",
            "/amp-helper-frame.html",
            "/discountLabel/*",
            "/province/*",
            "/orderAdministration/list/*",
        ),
    )
    # By endings alone these would be 54,851 page views, by the rules that people wrote for this log 3,566.
    assert read_logs([SHOP], rules).summary.page_views == 3735


def test_a_log_in_which_everything_leads_on_teaches_no_exclusions() -> None:
    learned = learn([BLOG])

    assert (learned.sites, learned.exclude) == (("semicomplete.com",), ())


def test_an_import_in_halves_with_learned_settings_equals_the_import_of_the_whole(tmp_path: Path) -> None:
    fanin(tmp_path, "accounts", "init", "shop", "--from", SHOP, "--output", "shop.toml")
    rules = read_site_rules(tmp_path / "shop.toml")

    whole = read_logs([BLOG, SHOP], rules).summary
    parts = [read_logs([path], rules).summary for path in (SHOP, BLOG)]

    assert {name: sum(part.classes[name] for part in parts) for name in whole.classes} == whole.classes


def test_accounts_lists_after_settings_were_used(tmp_path: Path) -> None:
    fanin(
        tmp_path, "accounts", "init", "blog", "--from", BLOG, "--timezone", "America/Los_Angeles", "--currency", "USD"
    )
    fanin(tmp_path, "import", BLOG, "--account", "blog", "--settings", "blog.toml")

    listed = fanin(tmp_path, "accounts", "--json")

    assert [(found["id"], found["time_zone"], found["currency"]) for found in json.loads(listed.stdout)] == [
        ("blog", "America/Los_Angeles", "USD")
    ]
