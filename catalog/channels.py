"""The channels, and which of them a source and a medium belong to.  Contract §3, *Channels*.

Both patterns of a row must match the whole value, lower-cased and trimmed; the first row that matches wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

SEARCH = ("google", "bing", "yahoo", "duckduckgo", "ecosia", "baidu", "yandex", "qwant", "startpage", "brave", "naver",
          "ask", "aol", "seznam")  # fmt: skip
SOCIAL = ("facebook", "fb", "instagram", "ig", "meta", "x", "twitter", "t.co", "linkedin", "lnkd.in", "tiktok",
          "pinterest", "reddit", "snapchat", "threads", "whatsapp", "telegram", "tumblr", "quora", "vk", "weibo",
          "mastodon", "bluesky")  # fmt: skip
VIDEO = ("youtube", "vimeo", "twitch", "dailymotion")
SHOPPING = ("google-shopping", "idealo", "kelkoo", "pricerunner", "shopzilla", "shopping")
AUDIO = ("spotify", "apple-podcasts", "soundcloud", "audible", "deezer", "podcast")


@dataclass(frozen=True, slots=True)
class Channel:
    """One row of the table.  No alternatives mean any value; a source may carry a domain ending."""

    name: str
    sources: tuple[str, ...] = ()
    mediums: tuple[str, ...] = ()


# The order decides: youtube with medium `video` is Paid Video because that row comes first.
TABLE = (
    Channel("Paid Search", SEARCH, ("cpc", "ppc", "paid", "paid-search", "sem")),
    Channel("Paid Social", SOCIAL, ("cpc", "ppc", "paid", "paid-social")),
    Channel("Paid Video", VIDEO, ("cpc", "ppc", "cpv", "paid", "paid-video", "video")),
    Channel("Display", (), ("display", "banner", "cpm", "interstitial", "rich-media", "expandable")),
    Channel("Paid Shopping", ("google", "bing"), ("shopping", "pla", "product-listing")),
    Channel("Organic Search", SEARCH, ("organic",)),
    Channel("Organic Social", SOCIAL, ("social", "organic-social", "social-network", "social-media", "sm", "organic")),
    Channel("Organic Video", VIDEO, ("video", "organic")),
    Channel("Organic Shopping", SHOPPING),
    Channel("AI", (), ("ai",)),
    Channel("Email", (), ("email", "newsletter", "mailchimp", "sendgrid", "klaviyo")),
    Channel("Affiliates", (), ("affiliate", "partner", "aff", "cpa")),
    Channel("SMS", (), ("sms", "text", "mms")),
    Channel("Push", (), ("push", "notification", "web-push", "mobile-push")),
    Channel("Audio", AUDIO),
    Channel("Referral", (), ("referral", "referrer")),
    Channel("Direct", ("direct", "(direct)"), ("direct", "(direct)", "(none)", "(not set)", "")),
)

UNASSIGNED = "Unassigned"

CHANNELS = (*(channel.name for channel in TABLE), UNASSIGNED)


@lru_cache(maxsize=4096)
def classify(source: str, medium: str, campaign: str = "") -> str:
    """The name of the channel, ``Unassigned`` when no row matches.

    ``campaign`` is part of a rule's signature; no row of the default table asks for it.
    """
    source, medium = source.strip().lower(), medium.strip().lower()
    for name, source_pattern, medium_pattern in _PATTERNS:
        if source_pattern.fullmatch(source) and medium_pattern.fullmatch(medium):
            return name
    return UNASSIGNED


def _pattern(alternatives: tuple[str, ...], prefix: str = "", ending: str = "") -> re.Pattern[str]:
    """Matches one of the alternatives, or anything when there are none; words may be parted by ``-``, ``_``, a space."""
    if not alternatives:
        return re.compile(r".*", re.DOTALL)
    words = "|".join(re.escape(word).replace(r"\-", "[-_ ]") for word in alternatives)
    return re.compile(f"{prefix}(?:{words}){ending}")


_PATTERNS = tuple(
    (
        channel.name,
        _pattern(channel.sources, prefix=r"(?:www\.)?", ending=r"(?:\.[a-z]{2,6}){0,2}"),
        _pattern(channel.mediums),
    )
    for channel in TABLE
)
