"""Values taken from other queries: whether they can fit, told before anything runs, and what they are.  Batch rule 5.2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..catalog.errors import InvalidQuery, Problem, StatsError
from .answer_shape import NoSuchPath, part_at
from .bindings import Binding, value_at
from .params import PARAMETERS
from .plan import PlannedQuery
from .plan_checks import PlanProblem
from .schedule import Outcome, Skipped


class BindingEmpty(Skipped):
    code = "binding_empty"


class BindingFailed(StatsError):
    code = "binding_failed"


# --- before it runs -----------------------------------------------------------------------------------------------


def binding_fault(query: PlannedQuery, shape_of: Callable[[str], Any]) -> StatsError | None:
    """What is wrong with the paths of a query's bindings, whatever the data.

    ``shape_of`` tells the shape of a query's data, None where that cannot be told.  A path that can never exist makes
    an ``InvalidQuery``, one that leads to no value a ``BindingFailed``.
    """
    problems = [problem for binding in query.bindings for problem in _path_problems(query, binding, shape_of)]
    if any(problem.type == _NO_PATH for problem in problems):
        return InvalidQuery.of(*problems)
    return BindingFailed(problems[0].message, problems) if problems else None


_NO_PATH = "binding_path"
_NO_VALUE = "binding_type"


def _path_problems(query: PlannedQuery, binding: Binding, shape_of: Callable[[str], Any]) -> Iterator[Problem]:
    shape = shape_of(binding.source)
    if shape is None:
        return
    try:
        part = part_at(shape, binding.pointer)
    except NoSuchPath as reason:
        message = f"{binding.parameter}: the data of '{binding.source}' can never have '{binding.path[:80]}': {reason}"
        yield _problem(query, binding, message, _NO_PATH, "path")
        return
    if kind := _wrong_kind(binding, part):
        yield _problem(query, binding, _wrong_kind_message(binding, kind), _NO_VALUE, "path")


def _problem(query: PlannedQuery, binding: Binding, message: str, kind: str, member: str = "") -> PlanProblem:
    place = f"{query.field}.params.{binding.field[:80]}"
    return PlanProblem(f"{place}.{member}" if member else place, message, kind, query.id)


def _wrong_kind_message(binding: Binding, kind: str) -> str:
    return f"{binding.parameter[:60]} takes a value; {_place(binding)} is {kind}"


def _place(binding: Binding) -> str:
    return f"'{binding.path[:80]}' of '{binding.source}'"


def _wrong_kind(binding: Binding, value: Any) -> str | None:
    """What a value or a shape is when the parameter cannot take it; a repeatable one takes lists of single values."""
    match value:
        case bool():
            return "a boolean"
        case dict():
            return "an object"
        case list() if not _is_repeatable(binding.parameter):
            return "a list"
        case list() if any(isinstance(item, bool | dict | list) for item in value):
            return "a list of more than single values"
        case _:
            return None


def _is_repeatable(name: str) -> bool:
    return name in PARAMETERS and PARAMETERS[name].repeatable


# --- when it runs -------------------------------------------------------------------------------------------------


def bound_params(query: PlannedQuery, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """The query's parameters with every value put where its binding stands.

    Raises ``BindingFailed`` when a value is of the wrong kind, ``BindingEmpty`` when one is not there.
    """
    found = {binding: _found(binding, outcomes[binding.source].data) for binding in query.bindings}
    _refuse_wrong_kinds(query, found)
    _refuse_nothing(query, found)
    params = dict(query.params)
    for parameter in dict.fromkeys(binding.parameter for binding in query.bindings):
        params[parameter] = _filled(parameter, params[parameter], found)
    return params


def _found(binding: Binding, data: Any) -> Any:
    """None where there is nothing: a null is as good as no value, and so is an empty list."""
    try:
        value = value_at(data, binding.pointer)
    except LookupError:
        return None
    if isinstance(value, list) and _is_repeatable(binding.parameter):
        return [item for item in value if item is not None] or None
    return value


def _refuse_wrong_kinds(query: PlannedQuery, found: Mapping[Binding, Any]) -> None:
    problems = [
        _problem(query, binding, _wrong_kind_message(binding, kind), _NO_VALUE)
        for binding, value in found.items()
        if (kind := _wrong_kind(binding, value))
    ]
    if problems:
        raise BindingFailed(problems[0].message, problems)


def _refuse_nothing(query: PlannedQuery, found: Mapping[Binding, Any]) -> None:
    missing = [binding for binding, value in found.items() if value is None]
    if missing:
        problems = [
            PlanProblem(
                f"{query.field}.params.{binding.field[:80]}",
                f"there is nothing at {_place(binding)}",
                "binding",
                binding.source,
            )
            for binding in missing
        ]
        raise BindingEmpty(f"Skipped: {problems[0].message}", problems)


def _filled(parameter: str, written: Any, found: Mapping[Binding, Any]) -> Any:
    values = {binding.place: value for binding, value in found.items() if binding.parameter == parameter}
    if not isinstance(written, list):
        return values[None]
    filled = [values.get(place, item) for place, item in enumerate(written)]
    return [value for item in filled for value in (item if isinstance(item, list) else [item])]
