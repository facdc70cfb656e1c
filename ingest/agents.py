"""User agents: is it a program or a person, and what device, browser and system does the person use."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from crawlerdetect import CrawlerDetect
from ua_parser import Parser, load_builtins
from ua_parser.regex import Resolver

UNKNOWN = "Unknown"

# The parser's families, folded to the names people know.  A family that is not here keeps its own name.
BROWSERS = {
    "Android": "Android Browser",
    "Bon Echo": "Firefox",
    "Chrome Frame": "Internet Explorer",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Android WebView",
    "Chrome Mobile iOS": "Chrome",
    "Chromium": "Chrome",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Google": "Google app",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "Iceweasel": "Firefox",
    "MiuiBrowser": "MIUI Browser",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "MobileSafari": "Safari",
    "Opera Mobile": "Opera",
}

SYSTEMS = {
    "Mac OS X": "macOS",
    "Mac OS": "macOS",
    "Windows Mobile": "Windows Phone",
    "Windows CE": "Windows Phone",
    # Distributions: to the reader of a report they are one system.
    **dict.fromkeys(
        ("Arch Linux", "CentOS", "Debian", "Fedora", "Gentoo", "Linux Mint", "Mageia", "Mandriva", "Puppy", "Red Hat",
         "Slackware", "SUSE", "Ubuntu"),
        "Linux",
    ),
}  # fmt: skip

# Windows writes "Tablet PC" for a capability of desktops; an Android without "Mobile" is a tablet unless it is an
# app's own client (Dalvik), a browser that never says it, or a television.
_TABLET = re.compile(
    r"iPad|Tablet(?! PC)|PlayBook|Kindle|\bSilk/(?!.*Mobile)|Android(?!.*(?:Mobile|Mini|TV|tv\d|CrKey))"
)
_MOBILE = re.compile(
    r"Mobi|iPhone|iPod|Opera Mini|Windows Phone|Windows CE|IEMobile|BlackBerry|BB10|Symbian|Series ?60|MIDP|WAP|"
    r"webOS|Maemo|UP\.Browser|Dalvik|Android.*Mini"
)


class Agent(NamedTuple):
    is_bot: bool
    device_type: str = "desktop"  # desktop, mobile or tablet
    browser: str = UNKNOWN
    os: str = UNKNOWN


BOT = Agent(is_bot=True)


@lru_cache(maxsize=16_384)
def describe_agent(text: str | None) -> Agent:
    """Who sent this user agent.  One that says nothing is a bot: every browser says something.

    None stands for a log that tells no agents: nobody in it can be called a bot.
    """
    if text is None:
        return Agent(is_bot=False)
    if not text.strip() or _crawlers().is_crawler(text):
        return BOT
    found = _parser().parse(text)
    browser = found.user_agent.family if found.user_agent else UNKNOWN
    system = found.os.family if found.os else UNKNOWN
    return Agent(False, _device_type(text), BROWSERS.get(browser, browser), SYSTEMS.get(system, system))


def _device_type(text: str) -> str:
    if "Dalvik" not in text and _TABLET.search(text):
        return "tablet"
    return "mobile" if _MOBILE.search(text) else "desktop"


@lru_cache(maxsize=1)
def _crawlers() -> CrawlerDetect:
    return CrawlerDetect()


@lru_cache(maxsize=1)
def _parser() -> Parser:
    """The resolver in Rust, without a cache of its own: ``describe_agent`` keeps whole answers."""
    return Parser(Resolver(load_builtins()))
