import pytest

from fanin.catalog.channels import CHANNELS, TABLE, classify


def test_the_channels_are_the_documented_eighteen_in_order():
    assert CHANNELS == (
        "Paid Search",
        "Paid Social",
        "Paid Video",
        "Display",
        "Paid Shopping",
        "Organic Search",
        "Organic Social",
        "Organic Video",
        "Organic Shopping",
        "AI",
        "Email",
        "Affiliates",
        "SMS",
        "Push",
        "Audio",
        "Referral",
        "Direct",
        "Unassigned",
    )


@pytest.mark.parametrize(
    ("source", "medium", "channel"),
    [
        # pairs the contract names
        ("google", "cpc", "Paid Search"),
        ("facebook", "cpc", "Paid Social"),
        ("google", "shopping", "Paid Shopping"),
        ("idealo", "referrer", "Organic Shopping"),
        ("reddit.com", "referrer", "Referral"),
        ("(direct)", "(none)", "Direct"),
        ("direct", "(none)", "Direct"),
        ("rejoined", "(none)", "Unassigned"),
        ("youtube", "video", "Paid Video"),
        ("chatgpt", "ai", "AI"),
        ("gemini", "ai", "AI"),
        ("claude", "ai", "AI"),
        ("perplexity", "ai", "AI"),
        ("copilot", "ai", "AI"),
        ("referrer", "referrer", "Referral"),
        # mediums that a broad pattern such as `cp.*` or `paid.*` would swallow
        ("google", "cpm", "Display"),
        ("facebook", "cpm", "Display"),
        ("facebook", "cpa", "Affiliates"),
        ("google", "paid-social", "Unassigned"),
        ("facebook", "paid-search", "Unassigned"),
        # the same source in several rows
        ("google", "organic", "Organic Search"),
        ("google", "pla", "Paid Shopping"),
        ("bing", "product listing", "Paid Shopping"),
        ("duckduckgo", "shopping", "Unassigned"),
        ("google-shopping", "organic", "Organic Shopping"),
        ("google shopping", "cpc", "Organic Shopping"),
        ("youtube", "organic", "Organic Video"),
        ("youtube", "cpc", "Paid Video"),
        ("facebook", "organic", "Organic Social"),
        ("facebook", "social", "Organic Social"),
        ("spotify", "podcast", "Audio"),
        ("spotify", "referrer", "Audio"),
        ("mailchimp", "email", "Email"),
        ("shop", "newsletter", "Email"),
        # a missing value
        ("(not set)", "(none)", "Unassigned"),
        ("(direct)", "(not set)", "Direct"),
        ("(direct)", "", "Direct"),
        ("", "", "Unassigned"),
        ("newsletter", "", "Unassigned"),
        ("feedburner", "feed", "Unassigned"),
        ("2", "26", "Unassigned"),
    ],
)
def test_a_pair_of_source_and_medium_belongs_to_its_channel(source, medium, channel):
    assert classify(source, medium) == channel


# The one pair of the table that an earlier row takes, because the first match wins.
TAKEN = {("Organic Video", "video"): "Paid Video"}


@pytest.mark.parametrize(
    ("channel", "source", "medium"),
    [
        (row.name, source, medium)
        for row in TABLE
        for source in (row.sources or ("whatever",))
        for medium in (row.mediums or ("(none)",))
    ],
)
def test_every_row_of_the_table_is_reached_by_each_of_its_alternatives(channel, source, medium):
    assert classify(source, medium) == TAKEN.get((channel, medium), channel)


@pytest.mark.parametrize("source", ["google.com", "google.co.uk", "www.google", "www.google.com", "google.com.br"])
def test_a_source_may_carry_a_domain_ending(source):
    assert classify(source, "cpc") == "Paid Search"


@pytest.mark.parametrize("source", ["googleads", "notgoogle", "google-ads", "maps.google.com", "google.com/ads"])
def test_a_source_that_only_contains_a_known_name_is_not_that_source(source):
    assert classify(source, "cpc") == "Unassigned"


@pytest.mark.parametrize("source", ["t.co", "lnkd.in", "x", "x.com"])
def test_short_social_names_are_matched_whole(source):
    assert classify(source, "social") == "Organic Social"


def test_case_and_surrounding_spaces_do_not_matter():
    assert classify("  GOOGLE ", " CPC\n") == "Paid Search"


@pytest.mark.parametrize("medium", ["rich media", "rich-media", "rich_media"])
def test_words_of_a_medium_may_be_parted_by_space_hyphen_or_underscore(medium):
    assert classify("somewhere", medium) == "Display"


def test_a_campaign_changes_nothing_in_the_default_rows():
    assert classify("google", "cpc", "newsletter") == "Paid Search"
