"""A query's ``params`` as a query string would spell them.  Batch rule 1.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..catalog.errors import InvalidQuery, Problem
from .json_text import excerpt, shortened


def spell_params(params: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The texts of every parameter: a list is a repeated key, null and an empty list are a key left out.

    Raises ``InvalidQuery``, fields relative to the params, for what a query string cannot carry.
    """
    spelled = {key: _spelled_values(value) for key, value in params.items()}
    problems = [
        Problem(shortened(key), f"{shortened(key)} must be a value or a list of values, not {excerpt(params[key])}")
        for key, values in spelled.items()
        if values is None
    ]
    if problems:
        raise InvalidQuery.of(*problems)
    return {key: values for key, values in spelled.items() if values}


def _spelled_values(value: Any) -> tuple[str, ...] | None:
    """None where a query string has no way to say it."""
    if isinstance(value, dict):
        return None
    if not isinstance(value, list):
        return () if value is None else (_spelled(value),)
    if any(isinstance(item, dict | list) for item in value):
        return None
    return tuple(_spelled(item) for item in value if item is not None)


def _spelled(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        case _:
            return str(value)
