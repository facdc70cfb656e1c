"""Segments: those of the system and of a settings file, how they narrow, and when a filter wins over them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fanin.catalog.errors import BadRequest, NotFound
from fanin.catalog.filters import make_filter
from fanin.catalog.query import ask
from fanin.catalog.segments import SYSTEM_SEGMENTS, NamedSegment, find_segment, read_segments
from fanin.schema.engine import Engine
from fanin.tests.facts import engine_over, visit, write

VISITS = {
    "cpc": visit(utm_source="google", utm_medium="cpc", channel="Paid Search"),
    "organic": visit(utm_source="google", utm_medium="organic", channel="Organic Search", device_type="mobile"),
    "social": visit(utm_source="facebook", utm_medium="social", channel="Organic Social", device_type="mobile"),
    "direct": visit(),
    "link": visit(
        utm_source="news.example",
        utm_medium="referrer",
        channel="Referral",
        referrer="https://www.News.example/a?b",
        country="ES",
    ),
}


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", VISITS.values())
    return path


def entrances(path: Path, segment: str, *conditions: Any, saved: tuple[NamedSegment, ...] = ()) -> list[str]:
    """The sources and media that are left, as words."""

    async def asked() -> Any:
        with engine_over(path) as (engine, _):
            async with Engine(engine.warehouse, engine.clock, segments=saved).request() as context:
                scope = context.scope("acme", period="30d", segment=segment, filters=conditions)
                return await context.loader.load(ask(scope, "mediums"))

    return sorted(row["utm_medium"] for row in asyncio.run(asked())["rows"])


@pytest.mark.parametrize(
    ("segment", "media"),
    [
        ("all-traffic", ["(none)", "cpc", "organic", "referrer", "social"]),
        ("organic-search", ["organic"]),
        ("paid-search", ["cpc"]),
        ("social", ["social"]),
        ("direct", ["(none)"]),
        ("referral", ["referrer"]),
        ("mobile", ["organic", "social"]),
        ("desktop", ["(none)", "cpc", "referrer"]),
    ],
)
def test_every_system_segment_narrows(warehouse_file: Path, segment: str, media: list[str]) -> None:
    assert entrances(warehouse_file, segment) == media


def test_there_are_the_documented_system_segments() -> None:
    assert [named.slug for named in SYSTEM_SEGMENTS] == [
        "all-traffic", "organic-search", "paid-search", "social", "direct", "referral", "mobile", "desktop",
    ]  # fmt: skip


def test_an_explicit_filter_wins_over_the_segment_on_the_same_field_only(warehouse_file: Path) -> None:
    assert entrances(warehouse_file, "mobile", make_filter("device_type", "eq", ["desktop"])) == [
        "(none)",
        "cpc",
        "referrer",
    ]
    assert entrances(warehouse_file, "mobile", make_filter("utm_source", "eq", ["google"])) == ["organic"]


def saved_as(tmp_path: Path, text: str) -> tuple[NamedSegment, ...]:
    file = tmp_path / "segments.toml"
    file.write_text(text)
    return read_segments(file)


def test_a_saved_segment_is_an_or_of_groups_less_its_not_groups(warehouse_file: Path, tmp_path: Path) -> None:
    saved = saved_as(
        tmp_path,
        """
        [[segments]]
        slug = "google-or-links"
        id = "seg_1"
        groups = [
          [{field = "utm_source", op = "eq", value = "GOOGLE"}],
          [{field = "referrer_domain", op = "ends_with", value = ".EXAMPLE"}, {field = "country", op = "eq", value = "es"}],
        ]
        not_groups = [[{field = "device_type", op = "eq", value = "mobile"}, {field = "channel", op = "starts_with", value = "organic"}]]
        """,
    )

    assert entrances(warehouse_file, "google-or-links", saved=saved) == ["cpc", "referrer"]
    assert entrances(warehouse_file, "seg_1", saved=saved) == ["cpc", "referrer"]


@pytest.mark.parametrize(
    ("op", "value", "media"),
    [
        ("eq", '"google"', ["cpc", "organic"]),
        ("neq", '"google"', ["(none)", "referrer", "social"]),
        ("contains", '"OO"', ["cpc", "organic", "social"]),
        ("not_contains", '"o"', ["(none)", "referrer"]),
        ("starts_with", '"G"', ["cpc", "organic"]),
        ("ends_with", '"book"', ["social"]),
        ("in", '["google", "facebook"]', ["cpc", "organic", "social"]),
        ("not_in", '["google", "facebook"]', ["(none)", "referrer"]),
        ("regex", '"^(g|f)"', ["cpc", "organic", "social"]),
        ("not_regex", '"^(g|f)"', ["(none)", "referrer"]),
    ],
)
def test_every_operator_of_segments(
    warehouse_file: Path, tmp_path: Path, op: str, value: str, media: list[str]
) -> None:
    saved = saved_as(
        tmp_path,
        f'[[segments]]\nslug = "s"\nconditions = [{{field = "utm_source", op = "{op}", value = {value}}}]',
    )

    assert entrances(warehouse_file, "s", saved=saved) == media


def test_equal_segments_are_equal_values(tmp_path: Path) -> None:
    one, other = saved_as(
        tmp_path,
        """
        [[segments]]
        slug = "a"
        conditions = [{field = "os", op = "eq", value = "iOS"}, {field = "country", op = "in", value = ["es", "FR"]}]
        [[segments]]
        slug = "b"
        groups = [[{field = "country", op = "in", value = ["fr", "ES"]}, {field = "os", op = "in", value = ["ios"]}]]
        """,
    )

    assert one.segment == other.segment


def test_a_segment_of_another_account_is_unknown_and_the_nearest_is_named() -> None:
    saved = (NamedSegment("spain", "Spain", SYSTEM_SEGMENTS[0].segment, account="other"),)

    with pytest.raises(NotFound) as raised:
        find_segment("mobil", "acme", saved)
    with pytest.raises(NotFound):
        find_segment("spain", "acme", saved)

    assert str(raised.value) == "Unknown segment: mobil (did you mean 'mobile'?)"
    assert find_segment("spain", "other", saved) == SYSTEM_SEGMENTS[0].segment


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "is not TOML"),
        ("[[segment]]", "unknown key 'segment' (did you mean 'segments'?)"),
        ('[[segments]]\nslug = "A b"', "slug 'A b' must be of"),
        ('[[segments]]\nslug = "a"', "needs either conditions or groups"),
        ('[[segments]]\nslug = "mobile"\nconditions = [{field="os",op="eq",value="x"}]', "'mobile' is taken already"),
        ('[[segments]]\nslug = "a"\nconditions = [{field="oss",op="eq",value="x"}]', "unknown field 'oss'"),
        ('[[segments]]\nslug = "a"\nconditions = [{field="os",op="ne",value="x"}]', "unknown operator 'ne'"),
        ('[[segments]]\nslug = "a"\nconditions = [{field="os",op="eq",value=5}]', "the value of os must be a text"),
        ('[[segments]]\nslug = "a"\nconditions = [{field="os",op="regex",value="("}]', "no RE2 pattern"),
        ('[[segments]]\nslug = "a"\nconditions = []', "a list of 1 to 20 conditions"),
        ('[[segments]]\nslug = "a"\ngroups = [[]]', "a list of 1 to 10 conditions"),
    ],
)
def test_a_wrong_settings_file_is_told_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadRequest) as raised:
        saved_as(tmp_path, text)

    assert said in str(raised.value)
    assert "segments.toml" in str(raised.value)


def test_a_missing_settings_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="cannot be read"):
        read_segments(tmp_path / "none.toml")
