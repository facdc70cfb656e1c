"""Live answers: a subscription's operation, executed afresh whenever an import has raised its account's data version.

Subscribers with the same question share one answer per version.  Each is asked for its credentials again and again, so a
revoked key ends what it began; a fresh answer is charged to whoever asked for it first.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request

from ..catalog.accounts import Account
from ..catalog.errors import RateLimitExceeded, StatsError
from ..catalog.identity import Identity
from ..catalog.limits import MAX_LIVE_CONNECTIONS
from ..schema.cost import cost_of
from ..schema.engine import Engine
from ..schema.reading import Reader, reading_as
from ..schema.schema import schema
from .callers import Callers
from .data_versions import DataVersions
from .graphiql import GRAPHQL_PATH
from .operations import Operation, Outcome, Payload, execute, outcome_of, question_of, told_refusal
from .streamed_answers import CutOff

CHECK_EVERY_S = 2.0  # how long a revoked key may go on
BEAT_EVERY_S = 12.0
GOODBYE_S = 2.0

SIGN_OF_LIFE: Payload = {}

Present = Callable[[], Identity]  # who the subscriber is now; raises a ``StatsError`` once it may not read


@dataclass(frozen=True, slots=True)
class Fresh:
    """An answer, and what it cost whoever asked first."""

    outcome: Outcome
    cost: dict[str, Any]

    def body(self, *, tells_cost: bool) -> dict[str, Any]:
        return self.outcome.body({"extensions": {"fanin": self.cost}} if tells_cost else {})


@dataclass(slots=True)
class Question:
    """What several subscribers may ask alike, and the answer to the latest version of it."""

    subscribers: int = 0
    state: Hashable = None
    answering: asyncio.Task[Fresh] | None = None


class LiveAnswers:
    """The subscriptions of a process."""

    def __init__(self, engine: Engine, callers: Callers) -> None:
        self.versions = DataVersions(engine.warehouse)
        self.closing = asyncio.Event()
        self._engine = engine
        self._callers = callers
        self._questions: dict[Hashable, Question] = {}
        self._connections: Counter[str] = Counter()

    async def close(self) -> None:
        """End every subscription, and give each a moment to leave."""
        self.closing.set()
        self.versions.wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                while self._connections:  # noqa: ASYNC110  an event for it would have one use
                    await asyncio.sleep(0.01)

    @contextmanager
    def connected(self, name: str) -> Iterator[None]:
        """One connection more of that caller.  Raises ``RateLimitExceeded`` for one too many."""
        if self._connections[name] >= MAX_LIVE_CONNECTIONS:
            raise RateLimitExceeded(f"At most {MAX_LIVE_CONNECTIONS} live connections at once")
        self._connections[name] += 1
        try:
            yield
        finally:
            self._connections[name] -= 1
            self._connections += Counter()  # forgets those that have none

    async def payloads(
        self, request: Request, operation: Operation, *, tells_cost: bool
    ) -> AsyncGenerator[Payload, None]:
        """The answers as what an event stream sends; what ends them later than the first is the last of them.

        Raises what ``connected`` and ``answers`` raise, before the first.
        """
        present = self.presenting(request, request.headers)
        with self.connected(present().name):
            began = False
            try:
                async with aclosing(self.answers(operation, present)) as answers:
                    async for fresh in answers:
                        began = True
                        yield fresh.body(tells_cost=tells_cost) if fresh else SIGN_OF_LIFE
            except StatsError as error:
                if not began:
                    raise
                yield {"errors": [told_refusal(error)]}

    def presenting(self, connection: HTTPConnection, shown: Headers) -> Present:
        """Who shows these credentials, looked at anew each time."""

        def present() -> Identity:
            identity, refusal = self._callers.identify(connection, shown)
            if refusal is not None:
                raise refusal
            return identity

        return present

    async def answers(self, operation: Operation, present: Present) -> AsyncGenerator[Fresh | None, None]:
        """An answer now and one for each later version; None now and then as a sign of life.  Close it when you leave.

        Ends after an answer without data.  Raises what ``present`` raises, ``RateLimitExceeded`` where there is no budget
        for the first answer (for later ones it waits), and ``CutOff`` when the server stops.
        """
        try:
            document = operation.read(self._engine)
            account_id = schema.followed_account(document, operation.variables, operation.name)
        except GraphQLError as error:
            yield Fresh(outcome_of(None, [error]), {})
            return
        told: Account | None = None
        with self._asking(operation) as question:
            while not self.closing.is_set():
                accounts = self.versions.accounts
                identity = present()
                account = identity.readable(accounts).get(account_id)
                if account is None:
                    yield await self.execute(operation, identity)  # which says why
                    return
                if (told is None or account.data_version != told.data_version) and await self._may_ask(identity, told):
                    fresh = await self._answer(question, operation, account, identity)
                    told = account
                    yield fresh
                    if fresh.outcome.data is None:
                        return
                if await self._silence(accounts, present):
                    yield None
        raise CutOff

    async def _silence(self, known: Mapping[str, Account], present: Present) -> bool:
        """Wait for other accounts than those known; True when a sign of life is due before."""
        beat = time.monotonic() + BEAT_EVERY_S
        while not self.closing.is_set() and self.versions.are(known):
            if time.monotonic() >= beat:
                return True
            await self.versions.replaced(known, CHECK_EVERY_S)
            present()
        return False

    async def _may_ask(self, identity: Identity, told: Account | None) -> bool:
        """Whether the minute's budget has room for an answer.  Raises ``RateLimitExceeded`` where it is the first."""
        standing = await self._callers.count(identity, None, GRAPHQL_PATH, requests=0)
        if standing.refusal and told is None:
            raise standing.refusal
        return standing.refusal is None

    @contextmanager
    def _asking(self, operation: Operation) -> Iterator[Question]:
        key = question_of(operation)
        question = self._questions.setdefault(key, Question())
        question.subscribers += 1
        try:
            yield question
        finally:
            question.subscribers -= 1
            if not question.subscribers:
                del self._questions[key]
                if question.answering is not None:
                    question.answering.cancel()

    async def _answer(self, question: Question, operation: Operation, account: Account, identity: Identity) -> Fresh:
        """The answer of this version and day, of which there is one however many wait for it."""
        state = account.data_version, account.today(self._engine.clock())
        if question.answering is None or question.state != state:
            question.state = state
            question.answering = asyncio.create_task(self.execute(operation, identity))
        try:
            return await asyncio.shield(question.answering)
        except StatsError:
            question.answering = None  # the next one tries again
            raise

    @contextmanager
    def slot(self, identity: Identity) -> Iterator[None]:
        """What a subscription counts for while it lasts, beside its answers: one scan that is under way."""
        reader = Reader(identity)
        self._callers.limits.start(reader)
        try:
            yield
        finally:
            self._callers.limits.stop(reader)

    async def execute(self, operation: Operation, identity: Identity) -> Fresh:
        """One answer, charged to that identity.  Raises ``Overloaded`` and ``WarehouseUnavailable``."""
        with reading_as(identity) as reader:
            self._callers.limits.start(reader)
            try:
                async with self._engine.request(about=operation.accounts(self._engine)) as context:
                    return Fresh(await execute(operation, context), cost_of(context))
            finally:
                await self._callers.limits.settle(reader)
