"""The limits a caller can run into, in one place; the settings node, the docs and the checks read them here."""

from __future__ import annotations

from .filters import MAX_FILTERS, MAX_VALUE_LENGTH, MAX_VALUES
from .periods import MAX_DAYS
from .query import MAX_SEARCH_LENGTH

MAX_BATCH_QUERIES = 50
MAX_BODY_BYTES = 1024 * 1024
MAX_GRAPHQL_BYTES = 100_000
MAX_GRAPHQL_ARRAY = 10
MAX_QUERY_STRING_BYTES = 32_768  # well below what servers and proxies in front read

LIMITS: dict[str, tuple[int, str]] = {
    "max_days": (MAX_DAYS, "days in one window"),
    "max_batch_queries": (MAX_BATCH_QUERIES, "queries in one batch"),
    "max_body_bytes": (MAX_BODY_BYTES, "bytes of a request body"),
    "max_graphql_bytes": (MAX_GRAPHQL_BYTES, "bytes of a GraphQL request, or of an array of them"),
    "max_graphql_array": (MAX_GRAPHQL_ARRAY, "requests in one GraphQL array"),
    "max_query_string_bytes": (MAX_QUERY_STRING_BYTES, "bytes of a GraphQL query string"),
    "max_search_length": (MAX_SEARCH_LENGTH, "characters of a search"),
    "max_filters": (MAX_FILTERS, "conditions of one question"),
    "max_filter_values": (MAX_VALUES, "values of one condition"),
    "max_filter_value_length": (MAX_VALUE_LENGTH, "characters of one value"),
}
