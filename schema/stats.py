"""The ``Stats`` type: a scope, and one nullable field per report.  A failure stays local to its field."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import strawberry
from graphql import GraphQLObjectType, GraphQLResolveInfo, get_named_type, is_leaf_type

from ..catalog.endpoints import ENDPOINTS, FREE_DIMENSIONS, FREE_METRICS, INCLUDES, Endpoint, Shape
from ..catalog.query import Granularity, Interval, Scope, SortOrder, StatsQuery, ask, free_columns
from .context import RequestContext
from .drill_down import remember
from .naming import camel_case, enum_of
from .types import REPORTS, Window

Info = strawberry.Info[RequestContext, None]

SortOrderEnum = strawberry.enum(SortOrder, description="Ascending or descending.")
GranularityEnum = strawberry.enum(
    Granularity, description="The step of a series; AUTO is hourly for one day, else daily."
)
IncludeEnum = enum_of("Include", INCLUDES, "A further column that rows are grouped by.")


REQUIRED = object()  # the default of an argument that has none


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a report's field."""

    name: str
    kind: Any
    default: Any
    meaning: str


@cache
def arguments_of(endpoint: Endpoint) -> tuple[Argument, ...]:
    """The arguments a report's row in the catalog calls for."""
    arguments: list[Argument] = []
    if endpoint.page_size is not None:
        size = endpoint.page_size
        if size.parameter == "page_size":
            arguments.append(Argument("page", int, 1, "The page's number, from 1."))
        arguments.append(Argument(size.parameter, int, size.default, f"Rows per page, 1 to {size.maximum}."))
    if endpoint.sort:
        fields = enum_of(f"{endpoint.noun}Sort", endpoint.sort, f"What {endpoint.name} can be sorted by.")
        default = fields[endpoint.default_sort.upper()]
        arguments.append(Argument("sort_by", fields, default, "The metric rows are sorted by; ties by the dimension."))
        arguments.append(Argument("sort_order", SortOrderEnum, SortOrder.DESC, "The direction."))
    if endpoint.search:
        arguments.append(Argument("search", str | None, None, "A text the dimension must have in it, in any case."))
    if endpoint.granularity:
        arguments.append(Argument("granularity", GranularityEnum, Granularity.AUTO, "The step of the series."))
    if endpoint.conversion_type:
        arguments.append(Argument("conversion_type", list[str] | None, None, "Only these goals."))
    if endpoint.include:
        arguments.append(Argument("include", list[IncludeEnum] | None, None, "Further columns to group by."))
        arguments.append(Argument("include_utm", bool, False, "Group by the five UTM dimensions too."))
    return (*arguments, *_SHAPE_ARGUMENTS.get(endpoint.shape, ()))


FreeDimension = enum_of("FreeDimension", FREE_DIMENSIONS, "What a free query can group by.")
FreeMetric = enum_of("FreeMetric", FREE_METRICS, "What a free query can sum.")
FreeField = enum_of("FreeField", (*FREE_DIMENSIONS, *FREE_METRICS), "What a free query can be ordered by.")


@strawberry.input(description="One field to order by.")
class FreeOrder:
    field: FreeField = strawberry.field(description="A dimension or metric that is asked for.")  # type: ignore[valid-type]
    direction: SortOrderEnum = strawberry.field(default=SortOrder.DESC, description="The direction.")  # type: ignore[valid-type]


# What reports of a shape of their own are asked with.
_SHAPE_ARGUMENTS: dict[Shape, list[Argument]] = {
    Shape.GOAL: [Argument("type", str, REQUIRED, "The goal's name.")],
    Shape.STEPS: [Argument("steps", list[str], REQUIRED, "2 to 10 page paths or goals, in their order.")],
    Shape.SERIES: [Argument("interval", Interval, Interval.DAY, "The length of a point.")],
    Shape.FREE: [
        Argument("dimensions", list[FreeDimension], (), "What to group by; nothing: one row of sums."),
        Argument("metrics", list[FreeMetric] | None, None, "What to sum; all unless said."),
        Argument("order_by", list[FreeOrder] | None, None, "By entrances, most first, unless said."),
        Argument("offset", int, 0, "Rows to leave out at the beginning."),
    ],
}


def _report_field(endpoint: Endpoint) -> Any:
    """A field whose resolver has the signature the table gives it."""
    arguments = arguments_of(endpoint)
    resolver = _resolver(endpoint)
    kinds: dict[str, Any] = {"info": Info}
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("self", positional), inspect.Parameter("info", positional, annotation=Info)]
    for argument in arguments:
        told = strawberry.argument(description=argument.meaning)
        kinds[argument.name] = Annotated[argument.kind, told]
        parameters.append(
            inspect.Parameter(
                argument.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if argument.default is REQUIRED else argument.default,
                annotation=kinds[argument.name],
            )
        )
    kinds["return"] = REPORTS[endpoint.name] | None
    resolver.__name__ = endpoint.name
    resolver.__signature__ = inspect.Signature(parameters, return_annotation=kinds["return"])  # type: ignore[attr-defined]
    resolver.__annotations__ = kinds
    return strawberry.field(resolver=resolver, description=f"{endpoint.title}. {endpoint.meaning}")


def _resolver(endpoint: Endpoint) -> Callable[..., Awaitable[Any]]:
    async def resolve(self: Any, info: Info, **arguments: Any) -> Any:
        answer = _answer(lambda: _question(endpoint, self.scope, arguments), self, info)
        return await answer if isinstance(answer, Awaitable) else answer

    return resolve


def resolve_directly(stats: GraphQLObjectType) -> None:
    """Let reports whose arguments are plain values resolve without having them converted: they are converted already.

    That takes a tenth of the time; what needs more, such as an input object, is left as it is.
    """
    for endpoint in ENDPOINTS.values():
        field = stats.fields[camel_case(endpoint.name)]
        if all(is_leaf_type(get_named_type(argument.type)) for argument in field.args.values()):
            field.resolve = DirectResolver(endpoint)


class DirectResolver:
    """Resolves a report from arguments as the executor reads them."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._words = {camel_case(argument.name): argument.name for argument in arguments_of(endpoint)}

    def __call__(self, stats: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        return _answer(lambda: self._question(stats.scope, arguments), stats, info)

    def prepared(self, arguments: dict[str, Any]) -> Callable[[Any, Any], Any]:
        """A resolver for arguments that are always the same: in the same scope they make the same question."""
        asked: list[StatsQuery] = []

        def question(scope: Scope) -> StatsQuery:
            if not asked or asked[0].scope != scope:
                asked[:] = [self._question(scope, arguments)]
            return asked[0]

        return lambda stats, info: _answer(lambda: question(stats.scope), stats, info)

    def _question(self, scope: Scope, arguments: dict[str, Any]) -> StatsQuery:
        return _question(self._endpoint, scope, {self._words[name]: value for name, value in arguments.items()})


def _answer(question: Callable[[], StatsQuery], stats: Any, info: Any) -> Any:
    """The answer where it is kept, else what has to be awaited for it."""
    began = time.perf_counter()
    try:
        asked = question()
        remember(info, asked, stats.level)
        info.context.charge(asked)
        answer = info.context.loader.kept(asked)
    except Exception:
        _tell_time(info, began)
        raise
    if answer is None:
        return _loaded(asked, info, began)
    _tell_time(info, began)
    return answer


async def _loaded(asked: StatsQuery, info: Any, began: float) -> Any:
    try:
        return await info.context.loader.load(asked)
    finally:
        _tell_time(info, began)


def _tell_time(info: Any, began: float) -> None:
    path = ".".join(key for key in info.path.as_list() if isinstance(key, str))  # alike in all rows of a list
    taken = (time.perf_counter() - began) * 1000
    info.context.report_ms[path] = max(taken, info.context.report_ms.get(path, 0.0))


def _question(endpoint: Endpoint, scope: Scope, arguments: dict[str, Any]) -> StatsQuery:
    if endpoint.page_size:
        arguments["page_size"] = arguments.pop(endpoint.page_size.parameter)
    plain = {name: _plain(value) for name, value in arguments.items() if value is not None}
    return ask(scope, endpoint.name, **_engine_words(endpoint, plain))


def _engine_words(endpoint: Endpoint, plain: dict[str, Any]) -> dict[str, Any]:
    """Arguments by the names ``ask`` has for them."""
    if endpoint.shape is Shape.FREE:
        order = [(item.field.value, item.direction) for item in plain.pop("order_by", ())]
        free = {name: tuple(plain.pop(name)) for name in ("dimensions", "metrics") if name in plain}
        offset = plain.pop("offset")
        return plain | {"free": free_columns(**free, order_by=order, offset=offset)}
    if endpoint.shape is Shape.GOAL:
        return {"goals": [plain["type"]]}
    if "conversion_type" in plain:
        plain["goals"] = plain.pop("conversion_type")
    return plain


def _plain(value: Any) -> Any:
    """The catalog's own word for an enum value made from it."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, (SortOrder, Granularity, Interval)) else getattr(value, "value", value)


def _window_field(of: Callable[[Scope], Any], kind: Any, description: str) -> Any:
    def resolve(self: Any) -> Any:
        window = of(self.scope)
        return window and {"start_date": window.start, "end_date": window.end, "days": window.days}

    resolve.__annotations__ = {"return": kind}
    return strawberry.field(resolver=resolve, description=description)


def _stats_type() -> Any:
    fields = {
        "window": _window_field(lambda scope: scope.window, Window, "The days all reports below are about."),
        "comparison_window": _window_field(
            lambda scope: scope.comparison, Window | None, "The days they are compared with; null without `compare`."
        ),
        **{name: _report_field(endpoint) for name, endpoint in ENDPOINTS.items()},
    }

    def __init__(self: Any, scope: Scope, level: int = 0) -> None:
        self.scope = scope
        self.level = level  # how many rows deep it is

    made = type("Stats", (), {"__annotations__": {}, "__init__": __init__, **fields})
    return strawberry.type(
        made,
        description="All reports of one account, window and filters. They are answered together: a dashboard of all of "
        "them costs one scan.",
    )


Stats = _stats_type()
