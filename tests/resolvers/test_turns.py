"""Turns: slots go round the accounts, lines are bounded, and whoever leaves takes nothing along."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanin.catalog.errors import Overloaded
from fanin.resolvers.turns import Turns


class Visitors:
    """Tasks that hold a slot until they are let go; ``order`` is the order in which they got theirs."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.refused: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, asyncio.Event] = {}

    async def come(self, *names: str) -> None:
        """Each name's first letter is its account."""
        for name in names:
            self._leaving[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._hold(name))
            await _settled()

    async def go(self, *names: str) -> None:
        for name in names:
            self._leaving[name].set()
            await _settled()

    async def give_up(self, *names: str) -> None:
        """All at once, without a turn of the loop in between."""
        for name in names:
            self._tasks[name].cancel()
        await _settled()

    async def all_go(self) -> None:
        for leaving in self._leaving.values():
            leaving.set()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _hold(self, name: str) -> None:
        try:
            async with self.turns.slot(name[0]):
                self.order.append(name)
                await self._leaving[name].wait()
        except Overloaded:
            self.refused.append(name)


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def visiting(story: Callable[[Visitors], Coroutine[Any, Any, None]], **bounds: Any) -> Visitors:
    """Who came when, after all have gone."""

    async def run() -> Visitors:
        visitors = Visitors(Turns(**bounds))
        await story(visitors)
        await visitors.all_go()
        return visitors

    visitors = asyncio.run(run())
    assert (visitors.turns.running, visitors.turns.waiting) == (0, 0)
    return visitors


def test_slots_go_round_the_accounts_whatever_their_lines_are_long() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come("a1", "a2", "a3", "a4", "a5", "b1", "b2", "c1")
        await visitors.go("a1", "a2", "b1", "a3", "c1")

    told = visiting(story, slots=2, per_account=2)

    assert told.order == ["a1", "a2", "a3", "b1", "c1", "a4", "b2", "a5"]


def test_an_account_that_has_its_part_leaves_the_others_their_slots() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come("a1", "a2", "a3", "a4", "b1", "c1")
        assert visitors.order == ["a1", "a2", "b1"]
        await visitors.go("b1")  # its slot is for c, though two of a came earlier
        assert visitors.order == ["a1", "a2", "b1", "c1"]

    visiting(story, slots=3, per_account=2)


def test_a_full_line_refuses_at_once_and_its_own_account_only() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come("a1", "a2", "a3", "a4", "a5", "b1")
        assert visitors.refused == ["a4", "a5"]
        assert visitors.turns.refused == 2
        await visitors.go("a1")
        await visitors.come("a6", "a7")
        assert visitors.refused == ["a4", "a5", "a7"]

    told = visiting(story, slots=1, per_account=1, most_waiting_per_account=2)

    assert told.order == ["a1", "a2", "b1", "a3", "a6"]


def test_all_lines_together_are_bounded_too() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come("a1", "b1", "c1", "d1")

    assert visiting(story, slots=1, per_account=1, most_waiting=2).refused == ["d1"]


def test_a_line_that_does_not_move_refuses_when_patience_ends() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come("a1", "a2")
        await asyncio.wait([visitors._tasks["a2"]])

    told = visiting(story, slots=1, per_account=1, patience_s=0.01)

    assert (told.order, told.refused) == (["a1"], ["a2"])


def test_whoever_leaves_the_line_is_passed_over_and_one_that_leaves_with_its_turn_gives_it_back() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come("a1", "a2", "a3", "a4")
        await visitors.give_up("a2")
        visitors._leaving["a1"].set()
        await asyncio.sleep(0)  # a1 has woken, and called a3, which has not
        await visitors.give_up("a3")

    assert visiting(story, slots=1, per_account=1).order == ["a1", "a4"]


def test_all_of_a_line_may_leave_at_once() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come("a1", "a2", "a3", "b1")
        await visitors.give_up("a1", "a2", "a3")

    assert visiting(story, slots=1, per_account=1).order == ["a1", "b1"]


def test_of_several_accounts_the_busiest_is_the_one_to_wait_for() -> None:
    async def story(visitors: Visitors) -> None:
        await visitors.come("a1", "b1", "b2")
        assert visitors.turns.busiest(["a", "b", "c"]) == "b"
        assert visitors.turns.busiest(["c", "a"]) == "a"
        assert visitors.turns.busiest([]) is None

    visiting(story, slots=2, per_account=1)


def test_a_burst_may_fill_a_line_but_one_that_has_stood_for_long_takes_only_what_has_its_turn_soon() -> None:
    now = [0.0]

    async def story(visitors: Visitors) -> None:
        await visitors.come("a0")
        now[0] += 4.0
        await visitors.go("a0")  # takes 4 s; a twentieth of it counts: 0.2 s
        await visitors.come("a1", *(f"b{number}" for number in range(8)))
        assert visitors.refused == []  # a burst
        now[0] += 1.0
        await visitors.come("b8", "c0")
        assert visitors.refused == ["b8"]  # b's line has stood for a second, and the ninth would wait 1.8 s
        await visitors.give_up("b1", "b2", "b3", "b4")
        await visitors.come("b9")  # the fourth waits 0.8 s
        assert visitors.refused == ["b8"]
        await visitors.give_up("b5", "b6", "b7", "b9", "c0")
        await visitors.come(*(f"c{number}" for number in range(1, 8)))
        assert visitors.refused == ["b8"]  # another burst, in a line that is new

    visiting(story, slots=2, per_account=1, soon_s=1.0, clock=lambda: now[0])


STEPS = st.lists(st.tuples(st.sampled_from(["come", "go", "give_up"]), st.integers(0, 30)), max_size=60)


@settings(deadline=None, max_examples=60)
@given(STEPS, st.integers(1, 4), st.integers(1, 3))
def test_whatever_happens_no_slot_is_lost_and_none_stays_free_while_someone_may_have_it(
    steps: list[tuple[str, int]], slots: int, per_account: int
) -> None:
    async def story(visitors: Visitors) -> None:
        for number, (step, choice) in enumerate(steps):
            running = {name for name, task in visitors._tasks.items() if not task.done()}
            if step == "come":
                await visitors.come(f"{'abc'[choice % 3]}{number}")
            elif running:
                await getattr(visitors, step)(sorted(running)[choice % len(running)])
            _check(visitors, slots, per_account)

    visiting(story, slots=slots, per_account=per_account, most_waiting_per_account=3)


def _check(visitors: Visitors, slots: int, per_account: int) -> None:
    here = {name for name, task in visitors._tasks.items() if not task.done()}
    inside = here & set(visitors.order)
    waiting = here - inside
    counts = {account: sum(name[0] == account for name in inside) for account in "abc"}
    assert visitors.turns.running == len(inside) <= slots
    assert visitors.turns.waiting == len(waiting)
    assert max(counts.values()) <= per_account
    may_run = [name for name in waiting if counts[name[0]] < per_account]
    assert not may_run or len(inside) == slots


@pytest.mark.parametrize("accounts", [1, 2, 5])
def test_a_light_accounts_wait_does_not_depend_on_how_long_the_heavy_ones_lines_are(accounts: int) -> None:
    async def story(visitors: Visitors) -> None:
        heavy = "vwxyz"[:accounts]
        await visitors.come(*(f"{account}{number:02}" for account in heavy for number in range(20)))
        await visitors.come("a1")
        while "a1" not in visitors.order:
            await visitors.go(visitors.order[-1])

    told = visiting(story, slots=1, per_account=1)

    assert told.order.index("a1") <= accounts + 1
