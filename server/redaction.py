"""Redaction: what is secret wherever it stands, and what stays of it."""

from __future__ import annotations

import re

from .keys import ID_LENGTH, KEY_LENGTH, PREFIX

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(rf"({PREFIX}[A-Za-z0-9]{{{ID_LENGTH - len(PREFIX)}}})[A-Za-z0-9]{{8,{KEY_LENGTH}}}"),
        r"\1…",
    ),
    (re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), "[token]"),
    (re.compile(r"(?i)(bearer\s+|(?:api[_-]?key|password|secret|token)['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,;]+"), r"\1***"),
    (re.compile(r"(://)[^\s/@]+@"), r"\1***@"),
)


def redacted(text: str) -> str:
    """The text without keys, tokens and the credentials of addresses."""
    for pattern, kept in _SECRETS:
        text = pattern.sub(kept, text)
    return text
