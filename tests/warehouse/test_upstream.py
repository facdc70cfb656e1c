"""An upstream API that fails in every way: what is tried again, what is given up, what callers are told, and recovery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from fanin.app import create_app
from fanin.catalog.accounts import Account
from fanin.catalog.errors import BadRequest, StatsError
from fanin.catalog.identity import ANYONE
from fanin.catalog.query import StatsQuery, ask, free_columns, make_scope
from fanin.schema.engine import Engine
from fanin.schema.reading import reading_as
from fanin.tests.facts import NOW, client_of
from fanin.tests.faulty_upstream import Deed, FaultyUpstream, answers, is_cut, never_ends, replies, without_batch
from fanin.tests.upstreams import gateway_over, serving
from fanin.warehouse.upstream_breaker import BreakerLimits
from fanin.warehouse.upstream_client import ClientLimits, Pace
from fanin.warehouse.upstream_options import Upstream
from fanin.warehouse.upstream_wire import WireLimits, checked_address

SOURCE = {
    "utm_source": "google",
    "entrances": 4,
    "engaged_entrances": 3,
    "page_views": 9,
    "microconversions": 2,
    "conversions": 1,
    "revenue": 0.1,
}
PAGE = {"data": [SOURCE], "total": 1, "totals": SOURCE, "comparison": None}
MEDIUMS = {"data": [], "total": 0, "totals": SOURCE}
RESULTS = {"/stats/sources": PAGE, "/stats/mediums": MEDIUMS, "/stats/microconversions-types": {"data": ["b", "a"]}}
WELL = answers(RESULTS)

UNAVAILABLE = ("database_unavailable", "The upstream API cannot be read now")
TIMED_OUT = ("gateway_timeout", "The upstream API did not answer in time")
NO_MORE = ("database_unavailable", "The upstream API takes no more requests for now")

QUICK = ClientLimits(answer_s=10.0, wire=WireLimits(reply_s=5.0, max_bytes=200_000))


@dataclass
class Waits:
    """A clock that stands still but for the waits, which it writes down; chance is always at its most."""

    at: float = 1000.0
    waits: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(round(seconds, 3))
        self.at += seconds

    @property
    def pace(self) -> Pace:
        return Pace(now=lambda: self.at, sleep=self.sleep, time=lambda: NOW.timestamp(), chance=lambda: 1.0)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FaultyUpstream, str]]:
    upstream = FaultyUpstream()
    with serving(upstream) as origin:
        yield upstream, f"{origin}/api/v1"


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def upstream(served: tuple[FaultyUpstream, str]) -> FaultyUpstream:
    return served[0].does(WELL)


@pytest.fixture
def address(served: tuple[FaultyUpstream, str]) -> str:
    return served[1]


Over = Callable[[Engine], Awaitable[Any]]


def over(
    address: str,
    work: Over,
    waits: Waits,
    options: Upstream | None = None,
    *,
    limits: ClientLimits = QUICK,
    cache_bytes: int = 0,
) -> Any:
    """What ``work`` makes of a gateway in front of the address."""

    async def run() -> Any:
        async with gateway_over(address, options, pace=waits.pace, limits=limits, cache_bytes=cache_bytes) as engine:
            return await work(engine)

    return asyncio.run(run())


def question(report: str = "sources", account: str = "acme", **asked: Any) -> StatsQuery:
    return ask(make_scope(Account(account), NOW, period="7d"), report, **asked)


async def told(engine: Engine, *queries: StatsQuery, shown: Any = ()) -> list[Any]:
    """For each question its answer, or the code and words of its failure."""
    with reading_as(replace(ANYONE, shown=shown)):
        async with engine.request() as context:
            outcomes = await asyncio.gather(*map(context.loader.load, queries), return_exceptions=True)
    return [(error.code, error.message) if isinstance(error, StatsError) else error for error in outcomes]


def asking(*queries: StatsQuery, times: int = 1, shown: Any = ()) -> Over:
    """Ask the questions, as so many requests one after the other; what the last one was told, or all of them."""

    async def work(engine: Engine) -> Any:
        requests = [await told(engine, *(queries or (question(),)), shown=shown) for _ in range(times)]
        return requests[0] if times == 1 else requests

    return work


async def until(holds: Callable[[], bool]) -> None:
    """Waits for the server's thread, which no event of this loop is told of."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def is_well(outcome: Any) -> bool:
    return isinstance(outcome, dict)


# --- asking again -------------------------------------------------------------------------------------------------

PASSING: dict[str, Deed] = {
    "status 500": replies({"error": {"code": "internal_error"}}, 500),
    "status 502 of a proxy": replies(b"<html>", 502),
    "status 503": replies({}, 503),
    "a cut connection": is_cut,
    "garbage": replies(b'{"data": [1,'),
    "another type": replies([1, 2]),
    "not JSON": replies(b"<html>welcome to the hotel</html>"),
    "a number that is none": replies(b'{"data": NaN}'),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_is_tried_again_after_a_pause(
    upstream: FaultyUpstream, address: str, waits: Waits, fault: str
) -> None:
    upstream.does(PASSING[fault], PASSING[fault], WELL)

    (answer,) = over(address, asking(), waits)

    assert is_well(answer)
    assert upstream.messages == ["GET /stats/sources"] * 3
    assert waits.waits == [0.2, 0.4]


@pytest.mark.parametrize("fault", PASSING)
def test_what_does_not_pass_is_given_up_and_the_next_request_recovers(
    upstream: FaultyUpstream, address: str, waits: Waits, fault: str
) -> None:
    upstream.does(*[PASSING[fault]] * 3, WELL)

    first, second = over(address, asking(times=2), waits)

    assert first == [UNAVAILABLE]
    assert is_well(second[0])
    assert len(upstream.messages) == 4


def test_a_slow_reply_is_given_up_and_told_as_late(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    upstream.does(upstream.waits_for_leaving(), upstream.waits_for_leaving(), WELL)
    slow = ClientLimits(attempts=2, wire=WireLimits(reply_s=0.2))

    first, second = over(address, asking(times=2), waits, limits=slow)

    assert first == [TIMED_OUT]
    assert is_well(second[0])


def test_a_body_without_end_is_cut_off_at_its_most(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    upstream.does(never_ends)

    assert over(address, asking(), waits, limits=replace(QUICK, attempts=1)) == [UNAVAILABLE]


def test_no_one_listening_is_told_in_our_words(waits: Waits) -> None:
    with serving(FaultyUpstream()) as origin:
        pass

    assert over(origin, asking(), waits) == [UNAVAILABLE]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422])
def test_a_refusal_is_not_tried_again(upstream: FaultyUpstream, address: str, waits: Waits, status: int) -> None:
    upstream.does(replies({"error": {"code": "x", "message": "secret"}}, status))

    over(address, asking(), waits)

    assert (len(upstream.asked), waits.waits) == (1, [])


RETRY_AFTER = {
    "seconds": ("7", [7.0]),
    "a date": (datetime(2026, 3, 18, 12, 0, 4, tzinfo=UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"), [4.0]),
    "less than our own pause": ("0", [0.2]),
    "what is no time": ("soon", [0.2]),
}


@pytest.mark.parametrize("given", RETRY_AFTER)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(
    upstream: FaultyUpstream, address: str, waits: Waits, status: int, given: str
) -> None:
    text, waited = RETRY_AFTER[given]
    upstream.does(replies({}, status, retry_after=text), WELL)

    (answer,) = over(address, asking(), waits)

    assert is_well(answer)
    assert [seconds for seconds in waits.waits if seconds] == waited


def test_a_retry_after_beyond_the_deadline_is_an_answer_at_once(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    upstream.does(replies({}, 429, retry_after="60"), WELL)

    first, second = over(address, asking(times=2), waits)

    assert (first, second) == ([NO_MORE], [NO_MORE])
    assert (len(upstream.asked), waits.waits) == (1, [])


def test_the_limit_of_one_callers_key_holds_up_no_other(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    upstream.does(replies({}, 429, retry_after="60"), WELL)

    async def work(engine: Engine) -> Any:
        keys = [(("x-api-key", name),) for name in ("one", "other")]
        return [await told(engine, question(), shown=shown) for shown in keys]

    one, (other,) = over(address, work, waits, Upstream(passes_credentials=True))

    assert one == [NO_MORE]
    assert is_well(other)


# --- the breaker --------------------------------------------------------------------------------------------------


def test_an_upstream_that_keeps_failing_is_left_alone_and_then_tried_by_one(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    broken = replies({}, 500)
    upstream.does(broken)
    limits = replace(QUICK, attempts=1, breaker=BreakerLimits(failures=3, rest_s=5.0))
    standings: list[tuple[int, Any, int]] = []

    async def work(engine: Engine) -> None:
        async with client_of(engine) as client:
            for deed, wait in [(broken, 0), (broken, 0), (broken, 0), (broken, 0), (broken, 5), (broken, 9), (WELL, 1)]:
                waits.at += wait
                upstream.script = [deed]
                ready = await client.get("/readyz")
                await told(engine, question())
                standings.append((ready.status_code, ready.json()["upstream"], len(upstream.asked)))
            ready = await client.get("/readyz")
            standings.append((ready.status_code, ready.json()["upstream"], len(upstream.asked)))

    over(address, work, waits, limits=limits)

    assert standings == [
        (200, "ok", 1),
        (200, "ok", 2),
        (200, "ok", 3),
        (503, "unavailable", 3),
        (200, "recovering", 4),  # the trial failed, so the rest is twice as long
        (503, "unavailable", 4),
        (200, "recovering", 5),
        (200, "ok", 5),
    ]


# --- shapes -------------------------------------------------------------------------------------------------------

WRONG: dict[str, Any] = {
    "no rows": {"total": 1, "totals": SOURCE},
    "rows that are no list": {"data": {}, "total": 1, "totals": SOURCE},
    "a row that is no object": {"data": [1], "total": 1, "totals": SOURCE},
    "more rows than asked for": {"data": [SOURCE] * 51, "total": 51, "totals": SOURCE},
    "a row without its dimension": {"data": [{**SOURCE, "utm_source": None}], "total": 1, "totals": SOURCE},
    "a count below nothing": {"data": [{**SOURCE, "entrances": -1}], "total": 1, "totals": SOURCE},
    "a count that is a text": {"data": [{**SOURCE, "entrances": "4"}], "total": 1, "totals": SOURCE},
    "a count that is a truth": {"data": [{**SOURCE, "entrances": True}], "total": 1, "totals": SOURCE},
    "a count in parts": {"data": [{**SOURCE, "entrances": 1.5}], "total": 1, "totals": SOURCE},
    "money that is none": {"data": [{**SOURCE, "revenue": "1,5"}], "total": 1, "totals": SOURCE},
    "endless money": {"data": [{**SOURCE, "revenue": "Infinity"}], "total": 1, "totals": SOURCE},
    "enormous money": {"data": [{**SOURCE, "revenue": "1e400"}], "total": 1, "totals": SOURCE},
    "no total": {"data": [SOURCE], "totals": SOURCE},
    "totals that are none": {"data": [SOURCE], "total": 1, "totals": [1]},
    "an empty object": {},
}


@pytest.mark.parametrize("shape", WRONG)
def test_another_shape_than_the_documented_one_fails_that_report_alone(
    upstream: FaultyUpstream, address: str, waits: Waits, shape: str
) -> None:
    upstream.does(answers(RESULTS | {"/stats/sources": WRONG[shape]}))

    wrong, well = over(address, asking(question(), question("mediums")), waits)

    assert wrong == (
        "database_unavailable",
        "The upstream API answered 'sources' in another shape than the documented one",
    )
    assert is_well(well)


def test_money_is_exact_whether_it_comes_as_text_or_number(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    amounts = ["7392.00", 7392.1, 0, "0.07", 1e2, -3.5, 45035996273704.91]
    rows = [{**SOURCE, "utm_source": str(place), "revenue": amount} for place, amount in enumerate(amounts)]
    upstream.does(answers({"/stats/sources": {"data": rows, "total": 7, "totals": SOURCE}}))

    (answer,) = over(address, asking(), waits)

    told_amounts = [str(row["revenue"]) for row in answer["rows"]]
    assert told_amounts == ["7392.00", "7392.10", "0.00", "0.07", "100.00", "-3.50", "45035996273704.91"]


# --- batches ------------------------------------------------------------------------------------------------------

THREE = (question(), question("mediums"), question("microconversion_types"))


def test_what_is_wanted_at_one_moment_is_one_batch(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    outcomes = over(address, asking(*THREE), waits)

    assert all(map(is_well, outcomes))
    assert upstream.messages == ["POST /batch"]
    days = {"account_id": "acme", "start_date": "2026-03-12", "end_date": "2026-03-18"}
    listed = {"sort_by": "entrances", "sort_order": "desc", "page": "1", "page_size": "50", "include_totals": "true"}
    assert upstream.asked[0].body == {
        "queries": [
            {"id": "q1", "endpoint": "/stats/sources", "params": days | listed},
            {"id": "q2", "endpoint": "/stats/mediums", "params": days | listed},
            {"id": "q3", "endpoint": "/stats/microconversions-types", "params": days},
        ],
        "options": {"include_timing": False},
    }


def test_a_batch_holds_fifty(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    questions = [question(account=f"a{number}") for number in range(120)]

    outcomes = over(address, asking(*questions), waits)

    assert all(map(is_well, outcomes))
    assert sorted(len(asked.body["queries"]) for asked in upstream.asked) == [20, 50, 50]


@pytest.mark.parametrize("status", [403, 404, 405])
def test_an_upstream_without_a_batch_is_asked_for_one_once(
    upstream: FaultyUpstream, address: str, waits: Waits, status: int
) -> None:
    upstream.does(without_batch(RESULTS, status))

    first, second = over(address, asking(*THREE[:2], times=2), waits)

    assert all(map(is_well, [*first, *second]))
    assert upstream.messages[0] == "POST /batch"
    assert sorted(upstream.messages[1:]) == ["GET /stats/mediums"] * 2 + ["GET /stats/sources"] * 2


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_that_is_refused_whole_is_asked_one_by_one(
    upstream: FaultyUpstream, address: str, waits: Waits, status: int
) -> None:
    upstream.does(without_batch(RESULTS, status))

    first, second = over(address, asking(*THREE[:2], times=2), waits)

    assert all(map(is_well, [*first, *second]))
    assert upstream.messages.count("POST /batch") == 2


def test_what_fails_in_a_batch_stays_its_own(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    upstream.does(answers({"/stats/sources": PAGE}))

    well, unknown = over(address, asking(*THREE[:2]), waits)

    assert is_well(well)
    assert unknown == ("not_found", "The upstream API has no report 'mediums'")


@pytest.mark.parametrize("results", [None, [], {}, {"q1": None, "q2": 3}, {"q1": {"status": "skipped"}, "q2": {}}])
def test_a_batch_without_results_is_no_answer(
    upstream: FaultyUpstream, address: str, waits: Waits, results: Any
) -> None:
    upstream.does(replies({"results": results}))

    assert over(address, asking(*THREE[:2]), waits) == [UNAVAILABLE, UNAVAILABLE]


def test_a_question_with_a_body_of_its_own_is_in_no_batch(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    free = {"data": [{"utm_source": "x", "conversions": 3}], "meta": {"total_rows": 1}}
    upstream.does(answers(RESULTS | {"/stats/query": free}))

    columns = free_columns(["utm_source"], ["conversions"])
    outcomes = over(address, asking(question(), question("query", free=columns)), waits)

    assert outcomes[1]["rows"] == [{"utm_source": "x", "conversions": 3}]
    assert sorted(upstream.messages) == ["GET /stats/sources", "POST /stats/query"]


def test_equal_questions_are_asked_once_and_told_as_identical(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    async def work(engine: Engine) -> Any:
        async with engine.request() as context:
            await asyncio.gather(*(context.loader.load(question()) for _ in range(3)))
            return context.loader.sharing

    sharing = over(address, work, waits)

    assert (sharing.fields, sharing.identical, sharing.scans, dict(sharing.sources)) == (3, 2, 1, {"upstream": 1})
    assert upstream.messages == ["GET /stats/sources"]


def test_requests_that_ask_the_same_at_one_moment_share_it(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    async def work(engine: Engine) -> Any:
        return await asyncio.gather(told(engine, question()), told(engine, question()))

    (one,), (other,) = over(address, work, waits)

    assert one == other
    assert upstream.messages == ["GET /stats/sources"]


def test_callers_with_other_credentials_share_nothing(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    upstream.does(answers(RESULTS, cache_control="max-age=60"))
    keys = [(("x-api-key", name),) for name in ("one", "other")]

    async def work(engine: Engine) -> Any:
        await asyncio.gather(*(told(engine, question(), shown=shown) for shown in keys))
        return await asyncio.gather(*(told(engine, question(), shown=shown) for shown in keys))

    over(address, work, waits, Upstream(passes_credentials=True), cache_bytes=1_000_000)

    assert sorted(asked.headers["x-api-key"] for asked in upstream.asked) == ["one", "other"]


def test_when_the_last_who_asks_leaves_the_upstream_is_left(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    upstream.does(upstream.waits_for_leaving())

    async def work(engine: Engine) -> None:
        asking = asyncio.create_task(told(engine, *THREE))
        await until(lambda: len(upstream.asked) > 0)
        asking.cancel()
        await asyncio.wait([asking])
        await until(lambda: upstream.left > 0)

    over(address, work, waits)

    assert upstream.messages == ["POST /batch"]


def test_a_batch_with_a_deadline_ends_at_it_and_leaves_the_upstream(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    upstream.does(upstream.waits_for_leaving())
    queries = [{"id": "s", "endpoint": "/stats/sources", "params": {"account_id": "acme"}}]

    async def work(engine: Engine) -> Any:
        async with client_of(engine) as client:
            body = {"queries": queries, "options": {"deadline_ms": 300}}
            response = await client.post("/api/v1/batch", json=body)
            await until(lambda: upstream.left > 0)
            return response.json()["results"]["s"]

    result = over(address, work, waits)

    assert (result["status"], result["error"]["code"]) == ("skipped", "deadline")
    assert upstream.messages == ["GET /stats/sources"]


def test_no_more_connections_are_open_than_allowed(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    present, most = 0, 0

    async def counts(asked: Any, receive: Any, send: Any) -> None:
        nonlocal present, most
        present += 1
        most = max(most, present)
        await asyncio.sleep(0.02)
        present -= 1
        await WELL(asked, receive, send)

    async def refuses_batches(asked: Any, receive: Any, send: Any) -> None:
        await (replies({}, 404) if asked.path == "/batch" else counts)(asked, receive, send)

    upstream.does(refuses_batches)
    questions = [question(account=f"a{number}") for number in range(20)]

    outcomes = over(address, asking(*questions), waits, limits=replace(QUICK, wire=WireLimits(connections=3)))

    assert all(map(is_well, outcomes))
    assert most == 3


# --- what is kept -------------------------------------------------------------------------------------------------

ROOM = 1_000_000  # bytes


def test_a_reply_is_kept_for_as_long_as_it_says(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    upstream.does(answers(RESULTS, cache_control="private, max-age=60", age="10"))

    async def work(engine: Engine) -> list[int]:
        counts = []
        for wait in (0, 49, 2):
            waits.at += wait
            await told(engine, question())
            counts.append(len(upstream.asked))
        return counts

    assert over(address, work, waits, cache_bytes=ROOM) == [1, 1, 2]


@pytest.mark.parametrize("directives", ["no-store, max-age=60", "", "no-cache", "max-age=0", "max-age=soon"])
def test_what_must_not_be_kept_is_asked_each_time(
    upstream: FaultyUpstream, address: str, waits: Waits, directives: str
) -> None:
    upstream.does(answers(RESULTS, **({"cache_control": directives} if directives else {})))

    over(address, asking(times=2), waits, cache_bytes=ROOM)

    assert len(upstream.asked) == 2


def test_what_has_an_etag_is_asked_for_on_the_condition_that_it_changed(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    tagged = answers(RESULTS, etag='"v1"', cache_control="no-cache")
    upstream.does(tagged, replies(b"", 304, etag='"v1"'), WELL)

    one, same, other = over(address, asking(times=3), waits, cache_bytes=ROOM)

    assert one == same == other
    assert [asked.headers.get("if-none-match") for asked in upstream.asked] == [None, '"v1"', '"v1"']


def test_a_not_modified_without_a_question_for_it_is_no_answer(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    upstream.does(replies(b"", 304))

    assert over(address, asking(), waits, cache_bytes=ROOM) == [UNAVAILABLE]


def test_without_room_nothing_is_kept(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    upstream.does(answers(RESULTS, cache_control="max-age=60"))

    over(address, asking(times=2), waits, cache_bytes=100)

    assert len(upstream.asked) == 2


# --- who may, and what leaks --------------------------------------------------------------------------------------

OURS, THEIRS = Upstream(key="sm_ours"), Upstream(passes_credentials=True)


def test_our_key_is_shown_and_never_what_a_caller_shows(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    over(address, asking(shown=(("x-api-key", "sm_theirs"),)), waits, OURS)

    assert [asked.headers.get("x-api-key") for asked in upstream.asked] == ["sm_ours"]


def test_a_token_is_shown_as_one(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    over(address, asking(), waits, Upstream(key="Bearer abc"))

    assert [asked.headers.get("authorization") for asked in upstream.asked] == ["Bearer abc"]


REFUSED = {
    (401, "unauthorized", THEIRS): ("unauthorized", "The upstream API does not accept these credentials"),
    (401, "unauthorized", OURS): UNAVAILABLE,
    (403, "forbidden", OURS): ("forbidden", "Access denied to account: acme"),
    (404, "account_not_found", OURS): ("account_not_found", "Account not found: acme"),
    (404, "not_found", OURS): ("not_found", "The upstream API has no report 'sources'"),
    (400, "bad_request", OURS): ("bad_request", "The upstream API does not take this question to 'sources'"),
}


@pytest.mark.parametrize(("status", "code", "options"), REFUSED)
def test_a_refusal_is_told_in_our_words(
    upstream: FaultyUpstream, address: str, waits: Waits, status: int, code: str, options: Upstream
) -> None:
    upstream.does(replies({"error": {"code": code, "message": "SELECT secret FROM https://inside"}}, status))

    assert over(address, asking(shown=(("x-api-key", "k"),)), waits, options) == [REFUSED[status, code, options]]


def test_a_refusal_names_the_parameters_that_were_sent_and_no_others(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    detail = [{"field": "query.page_size"}, {"field": "query.<script>"}, {"field": "query.segment"}, 7]
    upstream.does(replies({"error": {"code": "validation_error", "detail": detail}}, 422))

    ((_, message),) = over(address, asking(), waits)

    assert message == "The upstream API does not take this question to 'sources': it refuses page_size"


@pytest.mark.parametrize(("status", "code"), [(403, "forbidden"), (404, "account_not_found")])
def test_an_account_that_was_refused_is_not_asked_for_again_for_a_while(
    upstream: FaultyUpstream, address: str, waits: Waits, status: int, code: str
) -> None:
    upstream.does(replies({"error": {"code": code}}, status))

    async def work(engine: Engine) -> list[int]:
        counts = []
        for wait in (0, 59, 2):
            waits.at += wait
            await told(engine, question())
            counts.append(len(upstream.asked))
        return counts

    assert over(address, work, waits) == [1, 1, 2]


LEAKY = {
    "status 500": replies(b"Traceback: SELECT secret at https://inside.example/", 500, x_debug="secret"),
    "a refusal": replies({"error": {"code": "secret", "message": "SELECT secret", "detail": "https://inside"}}, 422),
    "an entry's failure": replies(
        {"results": {"q1": {"status": "error", "error": {"code": "secret", "message": "https://inside"}}}}
    ),
    "another shape": replies({"data": "SELECT secret", "total": 1}),
    "a redirect": replies(b"secret", 302, location="https://inside.example/secret"),
}


@pytest.mark.parametrize("fault", LEAKY)
def test_no_door_tells_what_the_upstream_said(upstream: FaultyUpstream, address: str, waits: Waits, fault: str) -> None:
    upstream.does(LEAKY[fault])
    queries = [
        {"id": report, "endpoint": f"/stats/{report}", "params": {"account_id": "acme"}}
        for report in ("sources", "mediums")
    ]
    document = '{ stats(accountId: "acme") { sources { total } mediums { total } } }'

    async def work(engine: Engine) -> list[httpx.Response]:
        async with client_of(engine) as client:
            return [
                await client.get("/api/v1/stats/sources?account_id=acme"),
                await client.post("/api/v1/batch", json={"queries": queries}),
                await client.post("/graphql", json={"query": document}),
                await client.get("/readyz"),
            ]

    for response in over(address, work, waits):
        told = f"{response.text} {dict(response.headers)}"
        assert not any(word in told for word in ("secret", "SELECT", "inside", "127.0.0.1", "Traceback"))


def test_a_redirect_is_followed_to_the_same_origin_alone(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    moved = address.replace("/api/v1", "/elsewhere")
    other = address.replace("127.0.0.1", "localhost")
    upstream.does(replies(b"", 307, location=f"{moved}/stats/sources"), replies(PAGE))

    followed = over(address, asking(), waits, OURS)
    upstream.does(replies(b"", 307, location=f"{other}/stats/sources"))
    not_followed = over(address, asking(), waits, OURS, limits=replace(QUICK, attempts=1))

    assert is_well(followed[0])
    assert not_followed == [UNAVAILABLE]
    assert len(upstream.asked) == 1


def test_a_cookie_of_one_answer_is_not_shown_with_another_question(
    upstream: FaultyUpstream, address: str, waits: Waits
) -> None:
    upstream.does(answers(RESULTS, set_cookie="session=theirs; Path=/"))

    over(address, asking(times=2), waits)

    assert [asked.headers.get("cookie") for asked in upstream.asked] == [None, None]


# --- settings and limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["ftp://host/api", "https://", "https://user:secret@host/api", "https://host/api?x=1", "https://host:99999"],
)
def test_what_is_no_address_is_refused_without_telling_it(address: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        checked_address(address)

    assert "secret" not in refusal.value.message


def test_the_page_of_a_batch_tells_its_source_and_calls(upstream: FaultyUpstream, address: str, waits: Waits) -> None:
    body = {"queries": [{"id": "s", "endpoint": "/stats/sources", "params": {"account_id": "acme"}}]}

    async def work(engine: Engine) -> Any:
        transport = httpx.ASGITransport(create_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://fanin.test") as client:
            batch = await client.post("/api/v1/batch", json=body)
            explained = await client.post("/api/v1/batch/validate?explain=true", json=body)
            return batch.headers["server-timing"], explained.json()["explanation"]

    timing, explanation = over(address, work, waits)

    assert 'desc="1 scans", source;desc="1 upstream"' in timing
    assert [(scan["source"], scan["queries"]) for scan in explanation["scans"]] == [("upstream", ["s"])]
    assert explanation["scans"][0]["reads"] == [{"table": "sessions", "groupings": [["utm_source"]]}]
    assert len(upstream.asked) == 1
