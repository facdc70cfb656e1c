"""What a request has cost, for ``extensions.fanin``."""

from __future__ import annotations

from typing import Any

from .context import RequestContext


def cost_of(context: RequestContext) -> dict[str, Any]:
    """Questions asked, how many were asked twice, statements sent and what they read, and milliseconds: of all statements,
    and per report.

    A report's time is from asked to answered, so those that share a scan tell it each; inside rows it is the longest.
    """
    sharing = context.loader.sharing
    return {
        "fields": sharing.fields,
        "identical": sharing.identical,
        "scans": sharing.scans,
        "sources": {source.value: count for source, count in sorted(sharing.sources.items())},
        "cacheHits": sharing.cache_hits,
        "scanMs": round(sharing.scan_ms, 1),
        "ms": {path: round(taken, 1) for path, taken in sorted(context.report_ms.items())},
    }
