"""A web shop that does not exist: sessions of an outdoor shop up to this moment, so that every report has something to show.

The same arguments give the same facts on every platform: all weights are integers, and of the random generator only
``random()`` is used, whose sequence Python guarantees.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from ..catalog.channels import classify
from ..catalog.errors import BadRequest
from ..warehouse.addresses import writing_at
from ..warehouse.facts import Goal, GoalKind, PageView, Session

SOURCE_NAME = "(demo data)"  # what the warehouse notes as the origin of these facts
MAX_DAYS = 3_650

_EDITION = 1  # raise it with every change to what is generated, so that older demo data is replaced

T = TypeVar("T")
Draw = Callable[[], float]  # the next random number, at least 0 and less than 1


class Choice(Generic[T]):
    """Values with integer weights, picked by a random number."""

    __slots__ = ("_ends", "_total", "_values")

    def __init__(self, weighted: Iterable[tuple[T, int]]) -> None:
        self._values, weights = zip(*weighted, strict=True)
        self._ends = list(accumulate(weights))
        self._total = self._ends[-1]

    @classmethod
    def ranked(cls, values: Iterable[T], head: int = 1) -> Choice[T]:
        """The earlier the likelier, as Zipf found; a larger ``head`` flattens the top."""
        return cls((value, 100_000 // (rank + head)) for rank, value in enumerate(values))

    def at(self, number: float) -> T:
        return self._values[bisect_right(self._ends, number * self._total)]


# --- the calendar -------------------------------------------------------------------------------------------------

_WEEKDAYS = (106, 103, 100, 98, 91, 88, 114)  # Monday first
_MONTHS = (104, 90, 94, 97, 103, 101, 95, 82, 96, 104, 132, 126)
_HOURS = (22, 12, 7, 5, 5, 8, 18, 36, 52, 64, 72, 76, 74, 68, 66, 68, 70, 73, 78, 86, 98, 104, 88, 52)
_GROWTH_PERCENT = 60  # from the first day to the last

# --- the shop -----------------------------------------------------------------------------------------------------


class Page(NamedTuple):
    path: str
    content_grouping: str
    price_cents: int = 0  # of a product


_CATEGORIES = {  # and the price of the cheapest model
    "trail-shoes": 8_900,
    "running-shoes": 7_900,
    "hiking-boots": 11_900,
    "backpacks": 5_900,
    "rain-jackets": 9_900,
    "down-jackets": 13_900,
    "tents": 17_900,
    "sleeping-bags": 8_400,
    "headlamps": 2_900,
    "poles": 3_900,
    "socks": 1_200,
    "bottles": 1_500,
}
_MODELS = ("cierzo", "levante", "poniente", "tramontana", "mistral", "siroco", "alisio", "galerna", "terral", "abrego",
           "aneto", "teide", "veleta", "moncayo", "gredos", "urbion", "ordesa", "cares", "posets", "ayllon", "maladeta",
           "naranco", "anboto", "gorbea", "turon")  # fmt: skip
_ARTICLES = ("how-to-choose-trail-shoes", "first-night-in-a-tent", "layers-for-winter", "care-for-down",
             "ten-walks-near-madrid", "packing-list-for-three-days", "what-water-columns-mean", "training-for-a-first-ultra",
             "resoling-boots", "camino-in-spring", "stoves-compared", "blisters", "walking-with-children",
             "reading-a-map")  # fmt: skip
_SERVICE = ("/shipping", "/returns", "/size-guide", "/contact", "/about-us", "/stores")


def _products() -> list[Page]:
    """Three hundred products, the best known first.  A step that shares no factor with 300 mixes the categories."""
    ordered = [
        Page(f"/p/{model}-{category}", "Product", price + price * place // 16)
        for category, price in _CATEGORIES.items()
        for place, model in enumerate(_MODELS)
    ]
    return [ordered[index * 83 % len(ordered)] for index in range(len(ordered))]


_PAGES: dict[str, Choice[Page]] = {
    "Home": Choice([(Page("/", "Home"), 1)]),
    "Category": Choice.ranked((Page(f"/c/{category}", "Category") for category in _CATEGORIES), head=4),
    "Product": Choice.ranked(_products(), head=8),
    "Blog": Choice.ranked((Page(f"/blog/{article}", "Blog") for article in _ARTICLES), head=2),
    "Service": Choice.ranked((Page(path, "Service") for path in _SERVICE), head=2),
}
_BASKET = Page("/basket", "Basket")
_CHECKOUT = Page("/checkout", "Checkout")
_THANK_YOU = Page("/checkout/thank-you", "Checkout")

# Where a visitor goes from a page, by content grouping.
_LINKS: dict[str, Choice[str]] = {
    "Home": Choice([("Category", 54), ("Product", 30), ("Blog", 8), ("Service", 8)]),
    "Category": Choice([("Product", 68), ("Category", 24), ("Home", 5), ("Service", 3)]),
    "Product": Choice([("Product", 44), ("Category", 40), ("Service", 9), ("Home", 7)]),
    "Blog": Choice([("Blog", 36), ("Product", 26), ("Category", 22), ("Home", 16)]),
    "Service": Choice([("Home", 40), ("Category", 34), ("Product", 26)]),
}

# --- the visitors -------------------------------------------------------------------------------------------------

# Most traffic is from the shop's own market; talk about it is read everywhere.
_MARKET: Choice[str] = Choice(
    [("ES", 6200), ("PT", 720), ("FR", 540), ("DE", 330), ("IT", 300), ("GB", 230), ("MX", 210), ("AR", 130), ("US", 130),
     ("NL", 110), ("BE", 100), ("CO", 90), ("CH", 80), ("CL", 80), ("AT", 60), ("PL", 60), ("IE", 50), ("AD", 50),
     ("PE", 40), ("SE", 40), ("Unknown", 90)]
)  # fmt: skip
_WORLD: Choice[str] = Choice(
    [("ES", 1900), ("US", 1300), ("DE", 800), ("GB", 780), ("FR", 700), ("MX", 520), ("IT", 480), ("PT", 380), ("AR", 330),
     ("NL", 300), ("PL", 260), ("CA", 250), ("CO", 240), ("CL", 220), ("CH", 200), ("AT", 180), ("BE", 180), ("SE", 160),
     ("BR", 150), ("PE", 130), ("CZ", 120), ("NO", 110), ("DK", 110), ("IE", 100), ("AU", 100), ("FI", 80), ("RO", 80),
     ("GR", 70), ("HU", 60), ("JP", 60), ("EC", 60), ("UY", 50), ("IN", 50), ("TR", 40), ("MA", 40), ("SK", 40),
     ("SI", 30), ("HR", 30), ("LU", 20), ("NZ", 20), ("AD", 15), ("ZA", 15), ("Unknown", 240)]
)  # fmt: skip


class Machine(NamedTuple):
    os: str
    browser: str


_MACHINES: dict[str, Choice[Machine]] = {
    "mobile": Choice(
        [(Machine("Android", "Chrome"), 455), (Machine("iOS", "Safari"), 345), (Machine("Android", "Samsung Internet"), 80),
         (Machine("iOS", "Chrome"), 45), (Machine("iOS", "Google app"), 30), (Machine("Android", "Firefox"), 18),
         (Machine("Android", "Opera"), 12), (Machine("Android", "MIUI Browser"), 10), (Machine("Android", "Edge"), 5)]
    ),
    "desktop": Choice(
        [(Machine("Windows", "Chrome"), 480), (Machine("Windows", "Edge"), 150), (Machine("macOS", "Safari"), 120),
         (Machine("macOS", "Chrome"), 105), (Machine("Windows", "Firefox"), 62), (Machine("Linux", "Firefox"), 22),
         (Machine("Windows", "Opera"), 20), (Machine("Linux", "Chrome"), 18), (Machine("macOS", "Firefox"), 13),
         (Machine("Chrome OS", "Chrome"), 10)]
    ),
    "tablet": Choice(
        [(Machine("iOS", "Safari"), 560), (Machine("Android", "Chrome"), 320), (Machine("Android", "Samsung Internet"), 80),
         (Machine("iOS", "Chrome"), 40)]
    ),
}  # fmt: skip
_TABLET_SHARE = 0.04
_DEVICE_INTEREST = {"mobile": 0.8, "desktop": 1.25, "tablet": 1.0}

# --- where they come from -----------------------------------------------------------------------------------------


class Tags(NamedTuple):
    """``{month}`` in a campaign stands for the year and month of the visit."""

    campaign: str = "(not set)"
    term: str = ""
    content: str = ""


# Where a visit begins, by content grouping.
_ENTRIES: dict[str, Choice[str]] = {
    "home": Choice([("Home", 74), ("Category", 12), ("Product", 10), ("Service", 4)]),
    "found": Choice([("Product", 42), ("Category", 24), ("Blog", 20), ("Home", 12), ("Service", 2)]),
    "offer": Choice([("Category", 60), ("Product", 32), ("Home", 8)]),
    "product": Choice([("Product", 92), ("Category", 8)]),
    "story": Choice([("Blog", 62), ("Product", 20), ("Home", 12), ("Category", 6)]),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """One source and medium of the shop's visitors, and what is peculiar to them."""

    source: str
    medium: str
    channel: str
    tags: Choice[Tags]
    referrers: Choice[str]
    entries: Choice[str]
    countries: Choice[str]
    mobile_share: float
    stay: float  # the chance of a second page view
    interest: float  # how much likelier than others they are to buy


def _origin(
    source: str,
    medium: str,
    *,
    tags: Iterable[Tags] = (Tags(),),
    referrers: Iterable[str] = ("",),
    entry: str = "home",
    worldwide: bool = False,
    mobile_share: float = 0.6,
    stay: float = 0.58,
    interest: float = 1.0,
) -> Origin:
    return Origin(
        source,
        medium,
        classify(source, medium),
        Choice.ranked(tags, head=2),
        Choice.ranked(referrers, head=2),
        _ENTRIES[entry],
        _WORLD if worldwide else _MARKET,
        mobile_share,
        stay,
        interest,
    )


def _campaigns(names: Iterable[str], terms: Iterable[str] = ("",), contents: Iterable[str] = ("",)) -> list[Tags]:
    """Every campaign with every term and content, the first of each likeliest."""
    return [Tags(name, term, content) for name in names for term in terms for content in contents]


def _referral(host: str, *paths: str, worldwide: bool = True, interest: float = 0.9) -> Origin:
    urls = [f"https://{host}{path}" for path in paths]
    bare = host.removeprefix("www.")
    return _origin(bare, "referrer", referrers=urls, entry="story", worldwide=worldwide, stay=0.61, interest=interest)


_GOOGLE = ("https://www.google.com/",)
_BRAND_TERMS = ("cierzo outdoor", "cierzo", "cierzo shop", "cierzo madrid", "cierzo opiniones")
_GENERIC_TERMS = ("trail shoes", "hiking boots", "zapatillas trail", "botas de montaña", "rain jacket", "mochila senderismo",
                  "tienda de campaña", "down jacket", "sleeping bag", "bastones trekking", "frontal running",
                  "waterproof boots")  # fmt: skip
_SOCIAL_ADS = ("carousel-a", "carousel-b", "video-15s", "still-blue")

_ORIGINS = Choice(
    [
        (_origin("google", "organic", referrers=_GOOGLE, entry="found", interest=1.05), 2450),
        (_origin("(direct)", "(none)", stay=0.62, interest=1.2), 1720),
        (_origin("google", "cpc", tags=_campaigns(("brand",), _BRAND_TERMS, ("text-a", "text-b")), referrers=_GOOGLE,
                 stay=0.72, interest=1.9), 820),
        (_origin("google", "cpc", tags=_campaigns(("generic", "generic-winter"), _GENERIC_TERMS, ("text-a", "text-b")),
                 referrers=_GOOGLE, entry="offer", stay=0.55, interest=0.95), 760),
        (_origin("bing", "cpc", tags=_campaigns(("brand", "generic"), _GENERIC_TERMS[:5], ("text-a",)),
                 referrers=("https://www.bing.com/",), entry="offer", mobile_share=0.2, interest=1.3), 120),
        (_origin("google", "shopping", tags=_campaigns(("shopping-all", "shopping-shoes")), referrers=_GOOGLE,
                 entry="product", stay=0.52, interest=1.35), 520),
        (_origin("facebook", "cpc", tags=_campaigns(("prospecting", "retargeting", "lookalike"), contents=_SOCIAL_ADS),
                 referrers=("https://l.facebook.com/", "https://m.facebook.com/"), entry="offer", mobile_share=0.86,
                 stay=0.46, interest=0.6), 640),
        (_origin("instagram", "paid-social", tags=_campaigns(("stories", "reels"), contents=_SOCIAL_ADS),
                 referrers=("https://l.instagram.com/",), entry="product", mobile_share=0.95, stay=0.45,
                 interest=0.55), 310),
        (_origin("instagram", "social", referrers=("https://l.instagram.com/", "https://www.instagram.com/"),
                 mobile_share=0.95, stay=0.5, interest=0.7), 330),
        (_origin("facebook", "social", referrers=("https://l.facebook.com/", "https://m.facebook.com/"), entry="story",
                 mobile_share=0.82, stay=0.47, interest=0.6), 190),
        (_origin("reddit", "social", referrers=("https://www.reddit.com/",), entry="story", worldwide=True,
                 mobile_share=0.5, stay=0.5, interest=0.5), 90),
        (_origin("pinterest", "social", referrers=("https://www.pinterest.es/",), entry="product", mobile_share=0.8,
                 stay=0.44, interest=0.6), 60),
        (_origin("newsletter", "email", tags=_campaigns(("newsletter-{month}", "welcome", "abandoned-basket"),
                 contents=("header", "products", "footer")), entry="offer", mobile_share=0.55, stay=0.68,
                 interest=1.8), 460),
        (_origin("youtube", "video", tags=_campaigns(("tent-film", "trail-film"), contents=("skippable", "bumper")),
                 referrers=("https://www.youtube.com/",), worldwide=True, mobile_share=0.7, stay=0.42,
                 interest=0.4), 170),
        (_origin("youtube", "organic", referrers=("https://www.youtube.com/",), entry="story", worldwide=True,
                 mobile_share=0.62, stay=0.52, interest=0.6), 100),
        (_origin("criteo", "display", tags=_campaigns(("retargeting-basket", "retargeting-product"),
                 contents=("300x250", "728x90", "160x600")), entry="product", stay=0.43, interest=0.9), 210),
        (_origin("bing", "organic", referrers=("https://www.bing.com/",), entry="found", mobile_share=0.18), 190),
        (_origin("duckduckgo", "organic", referrers=("https://duckduckgo.com/",), entry="found", mobile_share=0.4), 90),
        (_origin("ecosia", "organic", referrers=("https://www.ecosia.org/",), entry="found", mobile_share=0.3), 40),
        (_origin("idealo", "referrer", referrers=("https://www.idealo.es/", "https://www.idealo.de/"), entry="product",
                 mobile_share=0.48, interest=1.7), 150),
        (_origin("chatgpt", "ai", referrers=("https://chatgpt.com/",), entry="found", worldwide=True, mobile_share=0.38,
                 stay=0.66, interest=1.4), 140),
        (_origin("perplexity", "ai", referrers=("https://www.perplexity.ai/",), entry="found", worldwide=True,
                 mobile_share=0.35, stay=0.64, interest=1.2), 50),
        (_origin("awin", "affiliate", tags=_campaigns(("cashback", "vouchers", "bloggers")),
                 referrers=("https://www.awin1.com/",), entry="offer", stay=0.6, interest=1.6), 160),
        (_origin("shop", "sms", tags=_campaigns(("flash-sale", "back-in-stock")), entry="offer", mobile_share=0.98,
                 interest=1.5), 70),
        (_origin("onesignal", "push", tags=_campaigns(("price-drop", "new-arrivals")), entry="product",
                 mobile_share=0.75, stay=0.5), 80),
        (_origin("spotify", "podcast", tags=_campaigns(("montaña-adentro",), contents=("episode-12", "episode-11")),
                 mobile_share=0.7, interest=0.9), 60),
        (_referral("www.mountain-routes.example", "/en/pyrenees", "/en/gear/tents", "/es/rutas/sierra-de-gredos"), 70),
        (_referral("foro.montaneros.example", "/t/que-mochila-para-el-camino", "/t/tiendas-ligeras", "/t/botas",
                   worldwide=False, interest=1.1), 60),
        (_referral("revista.senderos.example", "/trail/zapatillas-del-ano", "/consejos", worldwide=False), 50),
        (_referral("camino.example", "/community/packing-list", "/community/shoes"), 50),
        (_referral("gear-tests.example", "/reviews/best-headlamps", "/reviews/rain-jackets-compared"), 40),
        (_origin("rejoined", "(none)", entry="found", stay=0.55, interest=1.2), 110),
        (_origin("flyer", "qr", tags=_campaigns(("madrid-marathon",)), mobile_share=1.0), 30),
    ]
)  # fmt: skip

# --- what they do -------------------------------------------------------------------------------------------------

_STAY_ON = 0.70  # the chance of one more page view after the second
_ADDS_TO_CART = 0.062  # of a product page
_OPENS_BASKET = 0.82
_CHECKS_OUT = 0.62
_BUYS = 0.60
_BUYS_ANOTHER = 0.24  # of the same model
_SIGNS_UP = 0.006  # of those who look at a second page


def load_demo(
    warehouse: Path | str,
    account_id: str,
    *,
    now: datetime,
    days: int = 400,
    sessions: int = 40_000,
    seed: int = 1,
    time_zone: str = "Europe/Madrid",
    currency: str = "EUR",
) -> int:
    """Fill the account with the shop's last ``days`` local days up to ``now``, an aware time.  Returns the sessions added.

    The same call on the same local day adds nothing and returns 0.  On another day, or with other arguments, the
    account's older demo data is replaced, so that it ends today again and nothing counts twice.  Raises ``BadRequest``
    for numbers out of range and for an account that holds anything but demo data; nothing is written then.
    """
    _check(days, sessions)
    with writing_at(warehouse) as writer:
        writer.put_account(account_id, time_zone=time_zone, currency=currency)
        today = now.astimezone(ZoneInfo(time_zone)).date()
        made_from = (_EDITION, account_id, days, sessions, seed, today.isoformat(), time_zone, currency)
        digest = sha256(repr(made_from).encode()).hexdigest()
        if writer.has_import(account_id, digest):
            return 0
        writer.clear_account(account_id, source_name=SOURCE_NAME)
        facts = demo_sessions(days=days, sessions=sessions, seed=seed, until=now, time_zone=time_zone)
        return writer.add_sessions(account_id, facts, digest=digest, source_name=SOURCE_NAME)


def demo_sessions(*, days: int, sessions: int, seed: int, until: datetime, time_zone: str) -> Iterator[Session]:
    """As many sessions as asked for, in order of their start, over so many local days up to ``until``, an aware time.

    Nothing happens after ``until``; the last session starts in that very second, so that there is always a today.
    """
    _check(days, sessions)
    draw = Random(seed).random  # noqa: S311 - nothing here is secret
    end = int(until.timestamp())
    zone = ZoneInfo(time_zone)
    months = _MonthNames(zone)
    for start in _starts(draw, days, sessions, end, zone):
        yield _session(draw, start, end, months)


def _check(days: int, sessions: int) -> None:
    if not 1 <= days <= MAX_DAYS:
        raise BadRequest(f"days must be between 1 and {MAX_DAYS}, got {days}")
    if sessions < 1:
        raise BadRequest(f"sessions must be at least 1, got {sessions}")


def _starts(draw: Draw, days: int, sessions: int, end: int, zone: ZoneInfo) -> list[int]:
    """When the sessions start, in order, the last of them at ``end``."""
    slots = Choice(_slots(draw, days, end, zone))
    return [*sorted(_moment(draw, slots) for _ in range(sessions - 1)), end]


def _moment(draw: Draw, slots: Choice[range]) -> int:
    slot = slots.at(draw())
    return slot[int(draw() * len(slot))]


def _slots(draw: Draw, days: int, end: int, zone: ZoneInfo) -> Iterator[tuple[range, int]]:
    """The seconds of each local hour up to ``end``, and how busy it is: more every day, and no two days alike."""
    last_day = datetime.fromtimestamp(end, zone).date()
    for index in range(days):
        day = last_day - timedelta(days=days - 1 - index)
        growth = 10_000 + 100 * _GROWTH_PERCENT * index // days
        chance = 85 + int(draw() * 31)
        busy = _WEEKDAYS[day.weekday()] * _MONTHS[day.month - 1] * growth * chance // 10**6
        close = min(_midnight(day + timedelta(days=1), zone), end + 1)
        for start in range(_midnight(day, zone), close, 3600):
            slot = range(start, min(start + 3600, close))
            yield slot, 1 + busy * _HOURS[datetime.fromtimestamp(start, zone).hour] * len(slot) // 3600


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp())


class _MonthNames:
    """The local month of a moment as ``2026-03``; moments come in order."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._quarter = -1
        self._name = ""

    def of(self, at: int) -> str:
        if at // 900 != self._quarter:  # zones differ by quarters of an hour at the finest
            self._quarter = at // 900
            self._name = datetime.fromtimestamp(at, self._zone).strftime("%Y-%m")
        return self._name


def _session(draw: Draw, start: int, end: int, months: _MonthNames) -> Session:
    origin = _ORIGINS.at(draw())
    tags = origin.tags.at(draw())
    device_type = _device_type(draw, origin)
    machine = _MACHINES[device_type].at(draw())
    visit = _Visit(draw, start, origin.interest * _DEVICE_INTEREST[device_type])
    visit.browse(origin.entries.at(draw()), origin.stay)
    visit.check_out()
    return Session(
        start=start,
        page_views=visit.page_views_until(end),
        goals=visit.goals_until(end),
        utm_source=origin.source,
        utm_medium=origin.medium,
        utm_campaign=tags.campaign.replace("{month}", months.of(start)),
        utm_term=tags.term,
        utm_content=tags.content,
        referrer=origin.referrers.at(draw()),
        channel=origin.channel,
        country=origin.countries.at(draw()),
        device_type=device_type,
        browser=machine.browser,
        os=machine.os,
    )


def _device_type(draw: Draw, origin: Origin) -> str:
    number = draw()
    if number < origin.mobile_share:
        return "mobile"
    return "tablet" if number > 1 - _TABLET_SHARE else "desktop"


class _Visit:
    """What one visitor does, moment by moment."""

    __slots__ = ("_at", "_cart_cents", "_draw", "_goals", "_interest", "_page_views")

    def __init__(self, draw: Draw, start: int, interest: float) -> None:
        self._draw = draw
        self._at = start
        self._interest = interest
        self._cart_cents = 0
        self._page_views: list[PageView] = []
        self._goals: list[Goal] = []

    def browse(self, entry: str, stay: float) -> None:
        """Look at page after page; ``stay`` is the chance of a second one."""
        draw = self._draw
        self._look_at(entry)
        if draw() >= stay:
            return
        entry = self._follow_link(entry)
        while draw() < _STAY_ON:
            entry = self._follow_link(entry)
        if draw() < _SIGNS_UP:
            self._pass_time()
            self._reach(GoalKind.CONVERSION, "newsletter_signup")

    def check_out(self) -> None:
        """Take what is in the cart as far as the visitor will."""
        if not self._cart_cents or self._draw() >= _OPENS_BASKET:
            return
        self._turn_to(_BASKET)
        if self._draw() >= _CHECKS_OUT:
            return
        self._turn_to(_CHECKOUT)
        self._reach(GoalKind.MICROCONVERSION, "begin_checkout")
        if self._draw() >= _BUYS:
            return
        self._turn_to(_THANK_YOU)
        self._reach(GoalKind.CONVERSION, "purchase", self._cart_cents)

    def page_views_until(self, end: int) -> tuple[PageView, ...]:
        return tuple(self._page_views if self._at <= end else [view for view in self._page_views if view.at <= end])

    def goals_until(self, end: int) -> tuple[Goal, ...]:
        return tuple(self._goals if self._at <= end else [goal for goal in self._goals if goal.at <= end])

    def _follow_link(self, content_grouping: str) -> str:
        following = _LINKS[content_grouping].at(self._draw())
        self._pass_time()
        self._look_at(following)
        return following

    def _look_at(self, content_grouping: str) -> None:
        page = _PAGES[content_grouping].at(self._draw())
        self._view(page)
        if page.price_cents:
            self._reach(GoalKind.MICROCONVERSION, "view_item")
            if self._draw() < _ADDS_TO_CART * self._interest:
                self._add_to_cart(page.price_cents)

    def _add_to_cart(self, price_cents: int) -> None:
        self._pass_time()
        self._reach(GoalKind.MICROCONVERSION, "add_to_cart")
        self._cart_cents += price_cents * (2 if self._draw() < _BUYS_ANOTHER else 1)

    def _turn_to(self, page: Page) -> None:
        self._pass_time()
        self._view(page)

    def _view(self, page: Page) -> None:
        self._page_views.append(PageView(self._at, page.path, page.content_grouping))

    def _reach(self, kind: GoalKind, name: str, amount_cents: int = 0) -> None:
        self._goals.append(Goal(self._at, kind, name, amount_cents))

    def _pass_time(self) -> None:
        """From 6 seconds to four minutes, mostly less than one."""
        number = self._draw()
        self._at += 6 + int(number * number * number * 234)
