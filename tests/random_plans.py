"""Random batch plans, made from the tables: queries that can be answered, waiting for each other and taking values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from fanin.catalog.endpoints import ENDPOINTS_BY_PATH, INCLUDES, Endpoint
from fanin.catalog.periods import PERIODS
from fanin.rest_compat.params import PARAMETERS

Json = dict[str, Any]

REPORTS = [row for path, row in ENDPOINTS_BY_PATH.items() if path == row.path and "{" not in path]

VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "period": st.sampled_from(list(PERIODS)),
    "compare": st.sampled_from(["previous", "yoy", "true", "none"]),
    "filters": st.sampled_from(["utm_source:eq:google", "country:ne:ES,browser:contains:Saf", "path:regex:^/t"]),
    "country": st.sampled_from(["ES", ["ES", "US"], "unknown"]),
    "utm_source": st.sampled_from(["google", ["google", "(direct)"], "nowhere"]),
    "utm_medium": st.sampled_from(["cpc", "(none)"]),
    "device": st.sampled_from(["mobile", ["desktop", "tablet"]]),
    "search": st.sampled_from(["o", "GOOGLE", "nothing like it"]),
    "sort_order": st.sampled_from(["asc", "desc"]),
    "page": st.integers(1, 3) | st.just("2"),
    "page_size": st.integers(1, 4) | st.just("1"),
    "limit": st.integers(1, 4),
    "include_totals": st.booleans(),
    "include_utm": st.booleans(),
    "granularity": st.sampled_from(["auto", "hourly", "daily"]),
    "include": st.lists(st.sampled_from(list(INCLUDES)), max_size=2, unique=True),
    "path_filter": st.just("/t"),
}


def values_of(endpoint: Endpoint) -> dict[str, st.SearchStrategy[Any]]:
    """What each parameter of a report may be."""
    taken = {name: strategy for name, strategy in VALUES.items() if PARAMETERS[name].taken_by(endpoint)}
    return taken | ({"sort_by": st.sampled_from(endpoint.sort)} if endpoint.sort else {})


@st.composite
def queries(draw: st.DrawFn, account: str, reports: list[Endpoint] = REPORTS) -> Json:
    """``{endpoint, params}`` of one query."""
    endpoint = draw(st.sampled_from(reports))
    params = draw(st.fixed_dictionaries({}, optional=values_of(endpoint)))
    return {"endpoint": endpoint.path, "params": {"account_id": account, **params}}


TAKEN = ["/data/0/utm_source", "/data/1/country", "/total", "/rows/0/utm_source", "/nothing", "/data", "/data/7/path"]


@st.composite
def plans(draw: st.DrawFn, account: str, most: int = 6, *, bindings: bool = False) -> Json:
    """A plan whose queries wait for queries earlier in some order, written in another."""
    size = draw(st.integers(1, most))
    entries = []
    for place in range(size):
        entry = {"id": f"q{place}", **draw(queries(account))}
        earlier = [f"q{other}" for other in range(place)]
        if earlier:
            entry["depends_on"] = draw(st.lists(st.sampled_from(earlier), max_size=2))
            if bindings and draw(st.booleans()):
                bound = {"from": draw(st.sampled_from(earlier)), "path": draw(st.sampled_from(TAKEN))}
                name = draw(st.sampled_from(["utm_source", "country", "search", "page_size", "period"]))
                entry["params"][name] = draw(st.sampled_from([bound, [bound], ["x", bound]]))
        entries.append(entry)
    options = {"parallel_limit": draw(st.integers(1, 10)), "include_timing": draw(st.booleans())}
    return {"queries": draw(st.permutations(entries)), "options": options}
