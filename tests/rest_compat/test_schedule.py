"""Running a plan, driven by hand: a query ends when the test says so, and the clock stands until it is moved."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.errors import BadRequest, Forbidden, InternalError, WarehouseUnavailable
from fanin.rest_compat.bindings import Binding
from fanin.rest_compat.plan import BatchOptions, Plan, PlannedQuery
from fanin.rest_compat.schedule import Outcome, PlanRun, Skipped

UNHURRIED = settings(deadline=None)  # a slow machine is no failure


def plan_of(depends_on, **options):
    """``{"a": "", "b": "a"}`` or ``{"b": ["a"]}``: b waits for a."""
    queries = [
        PlannedQuery(query_id, "/stats/overview", {}, tuple(needed), position)
        for position, (query_id, needed) in enumerate(depends_on.items())
    ]
    return Plan(tuple(queries), BatchOptions(**options))


class Batch:
    """A running plan.  ``log`` holds what happened, in order: ``+a`` a started, ``a success`` it ended so."""

    def __init__(self, plan, *, refused=None, scopes=None, **further):
        self.log = []
        self.in_flight = {}
        self.now = 0.0
        scopes = scopes or {}
        self.run = PlanRun(
            plan,
            self.answer,
            refused=refused or {},
            scope_of=lambda query: scopes.get(query.id, query.id),
            clock=lambda: self.now,
            **further,
        )
        self.task = asyncio.create_task(self.read())

    async def read(self):
        outcomes = {}
        async with aclosing(self.run.settled()) as settled:
            async for query, outcome in settled:
                self.log.append(f"{query.id} {outcome.status}")
                outcomes[query.id] = outcome
        return {query.id: outcomes[query.id] for query in self.run.plan.queries}

    async def answer(self, query):
        self.log.append(f"+{query.id}")
        self.in_flight[query.id] = asyncio.get_running_loop().create_future()
        try:
            return await self.in_flight[query.id]
        finally:
            del self.in_flight[query.id]

    async def settled(self):
        """Lets everything happen that can happen now; tells and forgets the log."""
        for _ in range(10):
            await asyncio.sleep(0)
        log, self.log = self.log, []
        return log

    async def end(self, *query_ids, **errors):
        """Ends these with success, and ``query=error`` with an error."""
        for query_id in query_ids:
            self.in_flight[query_id].set_result({"of": query_id})
        for query_id, error in errors.items():
            self.in_flight[query_id].set_exception(error)
        return await self.settled()


def error_of(outcome):
    assert outcome.error is not None
    return outcome.error


def skip(outcome):
    return outcome.status, error_of(outcome).code, outcome.data, outcome.timing_ms


async def forever(started=None):
    if started:
        started.set()
    await asyncio.Event().wait()
    return {}


def test_rule_2_2_a_query_starts_as_soon_as_its_own_dependencies_have_succeeded():
    async def scenario():
        batch = Batch(plan_of({"slow": "", "quick": "", "next": ["quick"], "last": ["slow", "next"]}))
        assert await batch.settled() == ["+slow", "+quick"]
        assert await batch.end("quick") == ["quick success", "+next"]
        assert await batch.end("next") == ["next success"]
        assert await batch.end("slow") == ["slow success", "+last"]
        assert await batch.end("last") == ["last success"]
        return await batch.task

    outcomes = asyncio.run(scenario())

    assert outcomes == {
        query_id: Outcome("success", data={"of": query_id}, timing_ms=0)
        for query_id in ("slow", "quick", "next", "last")
    }


def test_rule_2_2_turns_are_taken_in_execution_order():
    async def scenario():
        batch = Batch(plan_of({"deep": ["b"], "b": "", "a": ""}, parallel_limit=1))
        assert await batch.settled() == ["+b"]
        assert await batch.end("b") == ["b success", "+a"]
        assert await batch.end("a") == ["a success", "+deep"]
        assert await batch.end("deep") == ["deep success"]
        return list(await batch.task)

    assert asyncio.run(scenario()) == ["deep", "b", "a"]


def test_rule_2_3_dependants_of_an_error_are_skipped_at_once_and_transitively():
    async def scenario():
        batch = Batch(plan_of({"bad": "", "good": "", "child": ["good", "bad"], "grandchild": ["child"]}))
        assert await batch.settled() == ["+bad", "+good"]
        assert await batch.end(bad=BadRequest("Unknown period: 31x")) == [
            "bad error",
            "child skipped",
            "grandchild skipped",
        ]
        assert await batch.end("good") == ["good success"]
        return await batch.task

    outcomes = asyncio.run(scenario())

    assert skip(outcomes["child"]) == skip(outcomes["grandchild"]) == ("skipped", "dependency_failed", None, None)
    assert error_of(outcomes["child"]).as_json() == {
        "code": "dependency_failed",
        "message": "Skipped: dependency 'bad' did not succeed",
        "detail": [
            {
                "field": "depends_on",
                "message": "'bad' ended with status 'error' (bad_request: Unknown period: 31x)",
                "type": "dependency",
                "query_id": "bad",
            },
            {
                "field": "depends_on",
                "message": "'bad' ended with status 'error' (bad_request: Unknown period: 31x)",
                "type": "root_cause",
                "query_id": "bad",
            },
        ],
    }
    assert error_of(outcomes["grandchild"]).as_json() == {
        "code": "dependency_failed",
        "message": "Skipped: dependency 'child' did not succeed",
        "detail": [
            {
                "field": "depends_on",
                "message": "'child' ended with status 'skipped' (dependency_failed: Skipped: dependency 'bad' did not succeed)",
                "type": "dependency",
                "query_id": "child",
            },
            {
                "field": "depends_on",
                "message": "'bad' ended with status 'error' (bad_request: Unknown period: 31x)",
                "type": "root_cause",
                "query_id": "bad",
            },
        ],
    }


def test_rule_2_4_at_most_parallel_limit_run_at_one_moment():
    async def scenario():
        batch = Batch(plan_of(dict.fromkeys("abcd", ""), parallel_limit=2))
        assert await batch.settled() == ["+a", "+b"]
        assert await batch.end("b") == ["b success", "+c"]
        assert await batch.end("a", "c") == ["a success", "c success", "+d"]
        assert await batch.end("d") == ["d success"]
        await batch.task

    asyncio.run(scenario())


def test_rule_2_4_queries_of_one_scope_share_a_slot_and_start_in_the_same_tick():
    async def scenario():
        batch = Batch(
            plan_of({"a": "", "b": "", "c": "", "late": ["b"]}, parallel_limit=1),
            scopes=dict.fromkeys(("a", "c", "late"), "january"),
        )
        await asyncio.sleep(0)  # the plan takes its first turns
        await asyncio.sleep(0)  # and whoever got one starts
        assert batch.log == ["+a", "+c"]
        assert await batch.settled() == ["+a", "+c"]
        assert await batch.end("a") == ["a success"]
        assert await batch.end("c") == ["c success", "+b"]
        assert await batch.end("b") == ["b success", "+late"]
        assert await batch.end("late") == ["late success"]
        await batch.task

    asyncio.run(scenario())


def test_rule_2_4_a_dependant_need_not_wait_for_the_slot_its_dependency_shares():
    async def scenario():
        batch = Batch(
            plan_of({"a": "", "b": "", "after": ["a"]}, parallel_limit=2), scopes={"a": "january", "b": "january"}
        )
        assert await batch.settled() == ["+a", "+b"]
        assert await batch.end("a") == ["a success", "+after"]
        assert await batch.end("b", "after") == ["b success", "after success"]
        await batch.task

    asyncio.run(scenario())


def test_rule_1_3_a_refused_query_is_an_error_when_its_turn_comes_and_is_never_asked():
    async def scenario():
        denied = Forbidden("Access denied to account: other")
        batch = Batch(plan_of({"a": "", "bad": "", "c": "", "d": ["bad"]}, parallel_limit=1), refused={"bad": denied})
        assert await batch.settled() == ["+a"]
        assert await batch.end("a") == ["a success", "bad error", "d skipped", "+c"]
        assert await batch.end("c") == ["c success"]
        return (await batch.task)["bad"], denied

    outcome, denied = asyncio.run(scenario())

    assert outcome == Outcome("error", error=denied, timing_ms=0)


def test_rule_1_3_a_refused_query_is_not_asked_for_its_scope():
    def scope_of(query):
        assert query.id != "bad"
        return "january"

    async def answer(query):
        return {}

    async def scenario():
        plan = plan_of({"a": "", "bad": "", "c": ""})
        return await PlanRun(plan, answer, refused={"bad": BadRequest("no")}, scope_of=scope_of).finish()

    assert [outcome.status for outcome in asyncio.run(scenario()).values()] == ["success", "error", "success"]


def test_rule_2_5_after_the_first_error_nothing_new_starts_and_what_runs_is_reported():
    async def scenario():
        batch = Batch(
            plan_of({"a": "", "b": "", "c": "", "of_a": ["a"], "of_b": ["b"]}, parallel_limit=2, fail_fast=True)
        )
        assert await batch.settled() == ["+a", "+b"]
        assert await batch.end(a=WarehouseUnavailable("gone")) == ["a error", "of_a skipped", "c skipped"]
        assert await batch.end("b") == ["b success", "of_b skipped"]
        return await batch.task

    outcomes = asyncio.run(scenario())

    assert {query_id: outcome.error and outcome.error.code for query_id, outcome in outcomes.items()} == {
        "a": "database_unavailable",
        "b": None,
        "c": "fail_fast",
        "of_a": "dependency_failed",
        "of_b": "fail_fast",
    }
    assert error_of(outcomes["c"]).as_json() == {"code": "fail_fast", "message": "Skipped: another query failed"}


def test_rule_2_5_a_skip_waits_for_no_slot():
    async def scenario():
        batch = Batch(
            plan_of({"a": "", "b": "", "c": ""}, parallel_limit=1, fail_fast=True), scopes={"a": "x", "b": "x"}
        )
        assert await batch.settled() == ["+a", "+b"]
        assert await batch.end(a=BadRequest("no")) == ["a error", "c skipped"]
        assert await batch.end("b") == ["b success"]
        await batch.task

    asyncio.run(scenario())


def test_rule_2_5_dependency_failed_wins_where_both_apply():
    async def scenario():
        plan = plan_of({"a": "", "b": "", "c": "", "of_b": ["b"], "of_c": ["c"]}, parallel_limit=2, fail_fast=True)
        batch = Batch(plan)
        assert await batch.settled() == ["+a", "+b"]
        assert await batch.end(a=BadRequest("no")) == ["a error", "c skipped", "of_c skipped"]
        assert await batch.end(b=BadRequest("no")) == ["b error", "of_b skipped"]
        return await batch.task

    outcomes = asyncio.run(scenario())

    assert error_of(outcomes["of_b"]).code == "dependency_failed"
    assert [problem.as_json() for problem in error_of(outcomes["of_c"]).detail] == [
        {
            "field": "depends_on",
            "message": "'c' ended with status 'skipped' (fail_fast: Skipped: another query failed)",
            "type": kind,
            "query_id": "c",
        }
        for kind in ("dependency", "root_cause")
    ]


def test_rule_2_5_with_a_limit_of_one_everything_before_a_refused_query_has_run():
    async def scenario():
        batch = Batch(
            plan_of({"a": "", "b": "", "bad": "", "c": ""}, parallel_limit=1, fail_fast=True),
            refused={"bad": BadRequest("no")},
        )
        assert await batch.settled() == ["+a"]
        assert await batch.end("a") == ["a success", "+b"]
        assert await batch.end("b") == ["b success", "bad error", "c skipped"]
        await batch.task

    asyncio.run(scenario())


def test_rule_2_5_nobody_behind_a_refused_query_joins_a_scan_started_before_its_turn():
    async def scenario():
        batch = Batch(
            plan_of({"a": "", "b": "", "bad": "", "c": ""}, parallel_limit=1, fail_fast=True),
            refused={"bad": BadRequest("no")},
            scopes=dict.fromkeys("abc", "january"),
        )
        assert await batch.settled() == ["+a", "+b"]
        assert await batch.end("a", "b") == ["a success", "b success", "bad error", "c skipped"]
        await batch.task

    asyncio.run(scenario())


def test_rule_2_4_without_fail_fast_a_scan_is_shared_across_a_refused_query():
    async def scenario():
        batch = Batch(
            plan_of({"a": "", "bad": "", "c": ""}, parallel_limit=1),
            refused={"bad": BadRequest("no")},
            scopes=dict.fromkeys("ac", "january"),
        )
        assert await batch.settled() == ["+a", "+c"]
        assert await batch.end("a", "c") == ["a success", "c success", "bad error"]
        await batch.task

    asyncio.run(scenario())


def test_rule_2_5_a_refused_query_is_skipped_like_any_other_after_the_first_error():
    async def scenario():
        batch = Batch(
            plan_of({"a": "", "bad": ""}, parallel_limit=1, fail_fast=True), refused={"bad": BadRequest("no")}
        )
        await batch.settled()
        await batch.end(a=BadRequest("first"))
        return await batch.task

    assert skip(asyncio.run(scenario())["bad"]) == ("skipped", "fail_fast", None, None)


def test_rule_2_5_a_skip_triggers_nothing():
    async def scenario():
        batch = Batch(plan_of({"a": "", "b": "", "of_a": ["a"]}, parallel_limit=1, fail_fast=True))
        assert await batch.settled() == ["+a"]
        assert await batch.end(a=BindingEmpty("Nothing there")) == ["a skipped", "of_a skipped", "+b"]
        assert await batch.end("b") == ["b success"]
        return await batch.task

    outcomes = asyncio.run(scenario())

    assert skip(outcomes["a"]) == ("skipped", "binding_empty", None, None)
    assert skip(outcomes["of_a"]) == ("skipped", "dependency_failed", None, None)


def test_rule_2_6_cancelling_cancels_what_runs_and_starts_nothing_new():
    async def scenario():
        batch = Batch(plan_of({"a": "", "b": "", "c": ""}, parallel_limit=2))
        assert await batch.settled() == ["+a", "+b"]
        batch.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await batch.task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert (batch.log, batch.in_flight) == ([], {})

    asyncio.run(scenario())


def test_rule_2_6_cancelling_before_the_first_tick_never_asks_anything():
    async def scenario():
        batch = Batch(plan_of({"a": ""}))
        batch.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await batch.task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await batch.settled() == []

    asyncio.run(scenario())


def test_rule_2_6_cancelling_twice_still_leaves_no_task_behind():
    async def scenario():
        cleaned_up = asyncio.Event()

        async def answer(query):
            try:
                return await forever()
            finally:
                await cleaned_up.wait()

        run = asyncio.create_task(
            PlanRun(plan_of({"a": ""}), answer, refused={}, scope_of=lambda query: query.id).finish()
        )
        for _ in range(3):
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.sleep(0)
        run.cancel()
        await asyncio.sleep(0)
        assert not run.done()
        cleaned_up.set()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_a_reader_that_leaves_ends_the_batch_and_no_task_is_left_behind():
    async def scenario():
        async def answer(query):
            return {} if query.id == "a" else await forever()

        run = PlanRun(plan_of({"a": "", "b": ""}), answer, refused={}, scope_of=lambda query: query.id)
        async with aclosing(run.settled()) as settled:
            assert (await anext(settled))[0].id == "a"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


@pytest.mark.parametrize("inside", [RuntimeError("secret"), asyncio.CancelledError("of something shared")])
def test_what_is_no_stats_error_is_masked_and_kept_for_the_log(inside):
    async def answer(query):
        raise inside

    async def scenario():
        run = PlanRun(plan_of({"a": ""}), answer, refused={}, scope_of=lambda query: query.id, clock=lambda: 0.0)
        return await run.finish()

    outcome = asyncio.run(scenario())["a"]

    assert isinstance(outcome.error, InternalError)
    assert outcome.error.as_json() == {"code": "internal_error", "message": "Internal error"}
    assert outcome.error.__cause__ is inside
    assert outcome.timing_ms == 0


def test_a_query_cancelled_from_outside_ends_the_batch():
    async def scenario():
        started = asyncio.Event()
        before = asyncio.all_tasks()

        async def answer(query):
            return await forever(started)

        run = asyncio.create_task(
            PlanRun(plan_of({"a": ""}), answer, refused={}, scope_of=lambda query: query.id).finish()
        )
        await started.wait()
        [asked] = asyncio.all_tasks() - before - {run}
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("seconds", "timing_ms"), [(0.0, 0), (0.00049, 0), (0.0005, 1), (0.0014, 1), (0.0025, 3), (2, 2000)]
)
def test_rule_4_4_timing_is_rounded_half_up(seconds, timing_ms):
    async def scenario():
        batch = Batch(plan_of({"good": "", "bad": ""}))
        await batch.settled()
        batch.now = seconds
        await batch.end("good", bad=BadRequest("no"))
        return await batch.task

    assert [outcome.timing_ms for outcome in asyncio.run(scenario()).values()] == [timing_ms, timing_ms]


def test_rule_4_4_timing_runs_from_the_turn_and_each_tells_its_own_wait():
    async def scenario():
        batch = Batch(plan_of({"a": "", "b": "", "c": ""}, parallel_limit=1), scopes={"a": "x", "b": "x"})
        await batch.settled()
        batch.now = 0.010
        await batch.end("a")
        batch.now = 0.030
        await batch.end("b")
        batch.now = 0.035
        await batch.end("c")
        return await batch.task

    assert {query_id: outcome.timing_ms for query_id, outcome in asyncio.run(scenario()).items()} == {
        "a": 10,
        "b": 30,
        "c": 5,
    }


class BindingEmpty(Skipped):
    code = "binding_empty"


def taking(plan, *query_ids):
    """The plan with these queries taking a value from each dependency."""
    queries = [
        replace(query, bindings=tuple(Binding("search", None, needed, "/x") for needed in query.depends_on))
        if query.id in query_ids
        else query
        for query in plan.queries
    ]
    return replace(plan, queries=tuple(queries))


class Binds:
    """Notes who is asked to take its values, and from what; refuses whom it is told to."""

    def __init__(self, **faults):
        self.asked = []
        self.faults = faults

    def __call__(self, query, outcomes):
        self.asked.append((query.id, {needed: outcomes[needed].data["of"] for needed in query.depends_on}))
        return self.faults.get(query.id)


def test_rule_5_2_values_are_taken_once_when_the_last_dependency_has_succeeded():
    async def scenario():
        binds = Binds()
        batch = Batch(taking(plan_of({"a": "", "b": "", "c": "ab", "d": "a"}), "c"), bind=binds)
        assert await batch.settled() == ["+a", "+b"]
        assert await batch.end("a") == ["a success", "+d"]
        assert binds.asked == []
        assert await batch.end("b") == ["b success", "+c"]
        assert await batch.end("c", "d") == ["d success", "c success"]
        return binds.asked

    assert asyncio.run(scenario()) == [("c", {"a": "a", "b": "b"})]


def test_rule_5_2_nothing_there_is_a_skip_at_once_and_what_depends_on_it_is_skipped():
    async def scenario():
        plan = taking(plan_of({"a": "", "b": "", "c": "a", "d": "c"}, parallel_limit=2, fail_fast=True), "c")
        batch = Batch(plan, bind=Binds(c=BindingEmpty("Nothing there")))
        assert await batch.settled() == ["+a", "+b"]
        assert await batch.end("a") == ["a success", "c skipped", "d skipped"]
        assert await batch.end("b") == ["b success"]
        return await batch.task

    outcomes = asyncio.run(scenario())

    assert skip(outcomes["c"]) == ("skipped", "binding_empty", None, None)
    assert skip(outcomes["d"]) == ("skipped", "dependency_failed", None, None)


def test_rule_5_2_a_value_that_cannot_be_used_is_an_error_when_the_turn_comes():
    async def scenario():
        plan = taking(plan_of({"a": "", "b": "", "c": "a"}, parallel_limit=1, fail_fast=True), "c")
        batch = Batch(plan, bind=Binds(c=BadRequest("no")))
        assert await batch.settled() == ["+a"]
        assert await batch.end("a") == ["a success", "+b"]
        assert await batch.end("b") == ["b success", "c error"]
        await batch.task

    asyncio.run(scenario())


def test_rule_5_2_no_value_is_taken_for_a_query_that_is_refused_already_or_will_not_start():
    async def scenario():
        binds = Binds()
        plan = taking(plan_of({"a": "", "x": "", "c": "a", "d": "a"}, fail_fast=True), "c", "d")
        batch = Batch(plan, refused={"c": Forbidden("no")}, bind=binds)
        assert await batch.settled() == ["+a", "+x"]
        assert await batch.end(x=BadRequest("no")) == ["x error"]
        assert await batch.end("a") == ["a success", "c skipped", "d skipped"]
        return binds.asked

    assert asyncio.run(scenario()) == []


def test_rule_5_2_queries_whose_values_come_together_start_together_in_one_slot():
    async def scenario():
        plan = taking(plan_of({"a": "", "b": "a", "c": "a"}, parallel_limit=1), "b", "c")
        batch = Batch(plan, scopes={"b": "january", "c": "january"}, bind=Binds())
        await batch.settled()
        assert await batch.end("a") == ["a success", "+b", "+c"]
        assert await batch.end("b", "c") == ["b success", "c success"]
        await batch.task

    asyncio.run(scenario())


def test_rule_5_3_at_the_deadline_what_is_ready_stays_and_the_rest_is_skipped():
    async def scenario():
        plan = plan_of({"done": "", "slow": "", "after": ["slow"], "bad": "", "of_bad": ["bad"]}, deadline_ms=250)
        batch = Batch(plan)
        await batch.settled()
        await batch.end("done", bad=BadRequest("no"))
        batch.run.expire()
        assert await batch.settled() == ["slow skipped", "after skipped"]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return await batch.task

    outcomes = asyncio.run(scenario())

    assert {query_id: outcome.error and outcome.error.code for query_id, outcome in outcomes.items()} == {
        "done": None,
        "slow": "deadline",
        "after": "deadline",
        "bad": "bad_request",
        "of_bad": "dependency_failed",
    }
    assert error_of(outcomes["slow"]).as_json() == {
        "code": "deadline",
        "message": "Skipped: not ready within 250 ms",
    }
    assert skip(outcomes["slow"]) == ("skipped", "deadline", None, None)


def test_rule_5_3_what_is_ready_but_not_yet_read_counts_as_ready():
    async def scenario():
        batch = Batch(plan_of({"a": "", "b": ""}, deadline_ms=1))
        await batch.settled()
        batch.in_flight["a"].set_result({"of": "a"})
        await asyncio.sleep(0)  # the query's own task ends; the batch has not looked yet
        batch.run.expire()
        return await batch.task

    assert {name: outcome.status for name, outcome in asyncio.run(scenario()).items()} == {
        "a": "success",
        "b": "skipped",
    }


def test_rule_5_1_a_slow_reader_lets_nothing_new_start():
    async def scenario():
        started = []

        async def answer(query):
            started.append(query.id)
            return {}

        run = PlanRun(
            plan_of(dict.fromkeys("abcde", ""), parallel_limit=1), answer, refused={}, scope_of=lambda query: query.id
        )
        async with aclosing(run.settled()) as settled:
            assert (await anext(settled))[0].id == "a"
            for _ in range(20):
                await asyncio.sleep(0)
            assert started == ["a", "b"]
            assert [query.id async for query, _ in settled] == ["b", "c", "d", "e"]

    asyncio.run(scenario())


IDS = [f"q{number}" for number in range(7)]


@st.composite
def plans(draw):
    order = draw(st.permutations(IDS))
    earlier = {query_id: order[:place] for place, query_id in enumerate(order)}
    depends_on = {
        query_id: draw(st.lists(st.sampled_from(earlier[query_id]), unique=True, max_size=2))
        if earlier[query_id]
        else []
        for query_id in IDS
    }
    return plan_of(depends_on, fail_fast=draw(st.booleans()), parallel_limit=draw(st.integers(1, 3)))


REFUSED = st.sets(st.sampled_from(IDS), max_size=2)
SCOPES = st.fixed_dictionaries({query_id: st.integers(0, 3) for query_id in IDS}) | st.just({})


async def drive(batch, data, *, on_step):
    """Ends what is in flight, one at a time and well or badly, until the plan has run."""
    history = await batch.settled()
    while not batch.task.done():
        on_step(batch, history)
        query_id = data.draw(st.sampled_from(sorted(batch.in_flight)))
        fails = data.draw(st.integers(0, 4)) == 0
        history += await (batch.end(**{query_id: BadRequest("no")}) if fails else batch.end(query_id))
    return history


def starts(history):
    return [entry[1:] for entry in history if entry.startswith("+")]


@UNHURRIED
@given(plans(), REFUSED, SCOPES, st.data())
def test_properties_of_every_run(plan, refused, scopes, data):
    limit = plan.options.parallel_limit

    def within_the_limit(batch, history):
        assert 1 <= len({scopes.get(query_id, query_id) for query_id in batch.in_flight}) <= limit

    async def scenario():
        batch = Batch(plan, refused=dict.fromkeys(refused, Forbidden("no")), scopes=scopes)
        history = await drive(batch, data, on_step=within_the_limit)
        return history, await batch.task

    history, outcomes = asyncio.run(scenario())

    status = {query_id: outcome.status for query_id, outcome in outcomes.items()}
    assert list(outcomes) == IDS
    assert sorted(entry for entry in history if " " in entry) == sorted(f"{name} {how}" for name, how in status.items())
    assert len(starts(history)) == len(set(starts(history)))
    assert refused.isdisjoint(starts(history))
    for query in plan.queries:
        error = outcomes[query.id].error
        assert (error is None) == (status[query.id] == "success")
        all_succeeded = all(status[needed] == "success" for needed in query.depends_on)
        assert (error is not None and error.code == "dependency_failed") == (not all_succeeded)
        if query.id in starts(history):
            begun = history.index(f"+{query.id}")
            assert all(history.index(f"{needed} success") < begun for needed in query.depends_on)


@UNHURRIED
@given(plans(), REFUSED, SCOPES, st.data())
def test_rule_2_5_fail_fast_starts_nothing_after_the_first_error(plan, refused, scopes, data):
    async def scenario():
        batch = Batch(plan, refused=dict.fromkeys(refused, Forbidden("no")), scopes=scopes)
        history = await drive(batch, data, on_step=lambda batch, history: None)
        return history, await batch.task

    history, outcomes = asyncio.run(scenario())

    failed = [entry.split()[0] for entry in history if entry.endswith(" error")]
    codes = {outcome.error.code for outcome in outcomes.values() if outcome.error}
    if not plan.options.fail_fast or not failed:
        assert "fail_fast" not in codes
        return
    # A refused query is told in its turn, one tick before those start whose turn came just before it.
    place_of = {query_id: place for place, query_id in enumerate(plan.execution_order)}
    begun_after = starts(history[history.index(f"{failed[0]} error") :])
    assert failed[0] in refused or not begun_after
    assert all(place_of[query_id] < place_of[failed[0]] for query_id in begun_after)
    if plan.options.parallel_limit == 1 and failed[0] in refused:
        assert set(plan.execution_order[: place_of[failed[0]]]) == set(starts(history))


@UNHURRIED
@given(plans(), REFUSED, SCOPES, st.integers(0, 5), st.data())
def test_rule_2_6_cancelling_at_any_moment_leaves_no_task(plan, refused, scopes, steps, data):
    async def scenario():
        batch = Batch(plan, refused=dict.fromkeys(refused, Forbidden("no")), scopes=scopes)
        await batch.settled()
        for _ in range(steps):
            if batch.in_flight:
                await batch.end(data.draw(st.sampled_from(sorted(batch.in_flight))))
        batch.task.cancel()
        await asyncio.wait([batch.task])
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await batch.settled() == []

    asyncio.run(scenario())
