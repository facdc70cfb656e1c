import pytest

from fanin.ingest.agents import BOT, Agent, describe_agent

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/71.0.3578.99"
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36",
            Agent(False, "desktop", "Chrome", "Windows"),
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/71.0.100.0",
            Agent(False, "desktop", "Edge", "Windows"),
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/12.0 Safari/605.1.15",
            Agent(False, "desktop", "Safari", "macOS"),
        ),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:64.0) Gecko/20100101 Firefox/64.0",
            Agent(False, "desktop", "Firefox", "Linux"),
        ),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 11151.59.0) {CHROME} Safari/537.36",
            Agent(False, "desktop", "Chrome", "Chrome OS"),
        ),
        (
            "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0; Tablet PC 2.0)",
            Agent(False, "desktop", "Internet Explorer", "Windows"),
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0) {CHROME} Safari/537.36 OPR/58.0.3135.47",
            Agent(False, "desktop", "Opera", "Windows"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 8.0.0; SAMSUNG SM-A720F) {CHROME.replace('Chrome', 'SamsungBrowser/7.0 Chrome')}"
            " Mobile Safari/537.36",
            Agent(False, "mobile", "Samsung Internet", "Android"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 9; Pixel 3) {CHROME} Mobile Safari/537.36",
            Agent(False, "mobile", "Chrome", "Android"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 8.1.0; SM-T385) {CHROME} Safari/537.36",
            Agent(False, "tablet", "Chrome", "Android"),
        ),
        (
            "Mozilla/5.0 (Android 7.0; Tablet; rv:65.0) Gecko/65.0 Firefox/65.0",
            Agent(False, "tablet", "Firefox", "Android"),
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 12_1 like Mac OS X) {WEBKIT} Version/12.0 Mobile/15E148 Safari/604.1",
            Agent(False, "mobile", "Safari", "iOS"),
        ),
        (
            f"Mozilla/5.0 (iPad; CPU OS 12_1 like Mac OS X) {WEBKIT} CriOS/71.0 Mobile/15E148 Safari/605.1",
            Agent(False, "tablet", "Chrome", "iOS"),
        ),
        (
            "Dalvik/2.1.0 (Linux; U; Android 8.1.0; SM-J701F Build/M1AJQ)",
            Agent(False, "mobile", "Android Browser", "Android"),
        ),
        (
            "Opera/9.80 (Android; Opera Mini/18.0/128.54; U; fa) Presto/2.12.423 Version/12.16",
            Agent(False, "mobile", "Opera Mini", "Android"),
        ),
        (
            f"Mozilla/5.0 (Linux; Android 4.4.2; rtd298x_tv001) {CHROME} Safari/537.36",
            Agent(False, "desktop", "Chrome", "Android"),
        ),
        ("Something of its own", Agent(False, "desktop", "Unknown", "Unknown")),
    ],
)
def test_an_agent_is_told_by_the_names_people_know(text, agent):
    assert describe_agent(text) == agent


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "curl/8.5.0",
        "python-requests/2.31",
        "UniversalFeedParser/4.2-pre-314-svn +http://feedparser.org/",
    ],
)
def test_programs_and_those_who_say_nothing_are_bots(text):
    assert describe_agent(text) == BOT
