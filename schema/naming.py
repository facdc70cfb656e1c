"""The names of the contract in GraphQL: ``landing_pages`` is the field ``landingPages``, ``utm_source`` the value UTM_SOURCE."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

import strawberry


def camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def pascal_case(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def enum_of(name: str, values: Iterable[str], description: str, meanings: dict[str, str] | None = None) -> Any:
    """A GraphQL enum with a value per word; a resolver receives the member, whose ``value`` is the word."""
    told = meanings or {}
    members: dict[str, Any] = {
        value.upper(): strawberry.enum_value(value, description=told[value]) if value in told else value
        for value in values
    }
    made: Any = enum.Enum(name, members)
    return strawberry.enum(made, name=name, description=description)
