"""The limits a caller can run into, in one place; the settings node, the docs and the checks read them here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .filters import MAX_FILTERS, MAX_VALUE_LENGTH, MAX_VALUES
from .periods import MAX_DAYS
from .query import MAX_SEARCH_LENGTH

MAX_BATCH_QUERIES = 50
MAX_BODY_BYTES = 1024 * 1024
MAX_GRAPHQL_BYTES = 100_000
MAX_GRAPHQL_ARRAY = 10
MAX_LIVE_CONNECTIONS = 20
MAX_SUBSCRIPTIONS = 20
MAX_QUERY_STRING_BYTES = 32_768  # well below what servers and proxies in front read

LIMITS: dict[str, tuple[int, str]] = {
    "max_days": (MAX_DAYS, "days in one window"),
    "max_batch_queries": (MAX_BATCH_QUERIES, "queries in one batch"),
    "max_body_bytes": (MAX_BODY_BYTES, "bytes of a request body"),
    "max_graphql_bytes": (MAX_GRAPHQL_BYTES, "bytes of a GraphQL request, or of an array of them"),
    "max_graphql_array": (MAX_GRAPHQL_ARRAY, "requests in one GraphQL array"),
    "max_live_connections": (MAX_LIVE_CONNECTIONS, "WebSockets and event streams of one caller that are open at once"),
    "max_subscriptions": (MAX_SUBSCRIPTIONS, "operations of one WebSocket that run at once"),
    "max_query_string_bytes": (MAX_QUERY_STRING_BYTES, "bytes of a GraphQL query string"),
    "max_search_length": (MAX_SEARCH_LENGTH, "characters of a search"),
    "max_filters": (MAX_FILTERS, "conditions of one question"),
    "max_filter_values": (MAX_VALUES, "values of one condition"),
    "max_filter_value_length": (MAX_VALUE_LENGTH, "characters of one value"),
}

# Of one GraphQL document.  Fragments count as often as they are spread; rows as often as they may be answered.
DOCUMENT_LIMITS: dict[str, tuple[int, str]] = {
    "max_document_length": (32_000, "characters of a GraphQL document"),
    "max_document_tokens": (2_200, "tokens of a GraphQL document, and of its comments"),
    "max_depth": (12, "fields inside each other; introspection does not count"),
    "max_aliases": (60, "aliases of one operation"),
    "max_root_fields": (50, "root fields of one operation, each with a scope of its own"),
    "max_fields": (1_800, "fields, fragments and spreads of one operation"),
    "max_directives": (50, "directives of one operation"),
    "max_inputs": (500, "arguments, variables and values of one operation"),
    "max_comparisons": (4_000, "steps of comparing fields that share a name in the answer"),
    "max_rows": (100_000, "rows that the reports of one operation may return"),
}
# Of one server process under load.
LOAD_LIMITS: dict[str, tuple[int, str]] = {
    "max_running": (12, "requests that run at once; the others wait for their account's turn"),
    "max_running_per_account": (4, "of them, those of one account"),
    "max_waiting": (128, "requests that wait at once; one more is 503"),
    "max_waiting_per_account": (32, "of them, those of one account"),
    "soon_ms": (
        250,
        "milliseconds, or as long as requests take: a line that has stood so long takes none that would wait longer",
    ),
    "max_wait_ms": (5_000, "milliseconds that a request waits for its turn before it is 503 all the same"),
    "deadline_ms": (60_000, "milliseconds that a request may run; its scans end then, and what they were for is 504"),
    "body_ms": (15_000, "milliseconds in which a request's body must have come, else 408"),
    "head_ms": (10_000, "milliseconds in which a request's headers must have come, else the connection is closed"),
    "write_ms": (
        30_000,
        "milliseconds that a client may take nothing of an answer that waits for it; then it is cut off",
    ),
    "idle_ms": (5_000, "milliseconds that a connection is kept open between requests"),
    "max_head_bytes": (65_536, "bytes of a request's first line and headers, else 431"),
    "max_connections": (
        1_000,
        "connections at once; one more ends the one that is idle the longest, or is answered 503",
    ),
}
UNPAGED_ROWS = 50  # what a report without pages counts for


def defaults_of(limits: Mapping[str, tuple[int, str]]) -> dict[str, int]:
    """The values of a table of limits."""
    return {name: value for name, (value, _) in limits.items()}


@dataclass(frozen=True, slots=True)
class DocumentRules:
    """What a server takes as a GraphQL document.  The defaults are those of development."""

    limits: Mapping[str, int] = field(default_factory=lambda: defaults_of(DOCUMENT_LIMITS))
    enforced: bool = True  # else a document over a limit is logged and executed
    introspection: bool = True
    suggestions: bool = True  # "Did you mean ...?" tells what is there
