"""Random requests of a tenant at every door: about its own account, another's, and such as are not there."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from fanin.catalog.endpoints import Endpoint
from fanin.tests.callers import Ask
from fanin.tests.isolation.two_worlds import MARK, NORTH, NOWHERE, SOUTH, persisted
from fanin.tests.random_plans import REPORTS, plans, values_of

ACCOUNTS = st.sampled_from([NORTH, NORTH, SOUTH, SOUTH, NOWHERE, "sout", "../south"])
VALUES = st.sampled_from(["nnsource1", f"{MARK}source1", "nn", MARK, "(direct)"])
SEGMENTS = st.sampled_from(["mobile", f"{MARK}-buyers", f"{MARK}-buyer", "nothing"])

# What a caller may ask beside what the tables know: names that only the other tenant has.
CURIOUS: dict[str, st.SearchStrategy[Any]] = {
    "utm_source": VALUES,
    "search": VALUES,
    "segment": SEGMENTS,
    "landing_page": st.sampled_from(["/nn/a", f"/{MARK}/a"]),
    "filters": st.sampled_from([f"browser:contains:{MARK}", "os:regex:^nn", f"referrer:eq:https://{MARK}.example/"]),
}


@st.composite
def params_of(draw: st.DrawFn, endpoint: Endpoint) -> dict[str, Any]:
    known = draw(st.fixed_dictionaries({}, optional=values_of(endpoint)))
    curious = draw(st.fixed_dictionaries({}, optional=CURIOUS))
    return {"account_id": draw(ACCOUNTS), **known, **curious}


@st.composite
def gets(draw: st.DrawFn) -> Ask:
    endpoint = draw(st.sampled_from(REPORTS))
    params = draw(params_of(endpoint))
    held = draw(st.sampled_from(["", "*", '"0123456789abcdef0123456789abcdef"']))
    headers = {"If-None-Match": held} if held else {}
    return Ask("GET", f"/api/v1{endpoint.path}?{urlencode(params, doseq=True)}", headers=headers)


@st.composite
def goal_gets(draw: st.DrawFn) -> Ask:
    goal = draw(st.sampled_from(["nngoal", f"{MARK}goal", f"{MARK}purchase"]))
    return Ask("GET", f"/api/v1/stats/microconversions/{goal}?account_id={draw(ACCOUNTS)}")


@st.composite
def posts(draw: st.DrawFn) -> Ask:
    """The two reports that take a body."""
    dates = {"date_from": "2026-03-01", "date_to": "2026-03-10"}
    if draw(st.booleans()):
        steps = [f"/{draw(st.sampled_from(['nn', MARK]))}/{page}" for page in "ab"]
        return Ask("POST", "/api/v1/stats/funnel", {"account_id": draw(ACCOUNTS), "steps": steps, **dates})
    words = {"dimensions": ["utm_source"], "metrics": ["entrances"]}
    return Ask("POST", "/api/v1/stats/query", {"account_id": draw(ACCOUNTS), **dates, **words})


@st.composite
def batches(draw: st.DrawFn) -> Ask:
    """Run, streamed, validated or explained; queries take values from each other across accounts."""
    body = draw(plans(NORTH, bindings=True))
    for query in body["queries"]:
        query["params"]["account_id"] = draw(ACCOUNTS)
        query["params"] |= draw(st.fixed_dictionaries({}, optional={"segment": SEGMENTS}))
    address = draw(st.sampled_from(["/batch", "/batch", "/batch/validate", "/batch/validate?explain=true"]))
    accept = draw(st.sampled_from(["*/*", "application/x-ndjson", "text/event-stream"]))
    return Ask("POST", f"/api/v1{address}", body, {"Accept": accept})


SCOPE = 'stats(accountId: "{account}", period: "30d", segment: "{segment}", filters: [{{field: UTM_SOURCE, op: EQ, value: "{value}"}}])'
PLAIN = 'stats(accountId: "{account}", period: "30d")'
DOCUMENTS = (
    PLAIN.join(("{{ ", " {{ sources {{ total rows {{ utmSource entrances revenue }} }} }} }}")),
    SCOPE.join(("{{ ", " {{ overview {{ traffic {{ entrances }} }} }} }}")),
    "{{ one: " + PLAIN + " {{ ...part }} other: " + PLAIN.replace("{account}", "{other}") + " {{ ...part }} }} "
    "fragment part on Stats {{ pages {{ total rows {{ path pageViews }} }} }}",
    "{{ "
    + PLAIN
    + " {{ channels {{ rows {{ channel within {{ landingPages {{ rows {{ landingPage }} }} }} }} }} }} }}",
    "{{ " + PLAIN + " {{ timeSeries(interval: WEEK) {{ points {{ date entrances }} }} }} }}",
    "query Named {{ " + PLAIN + " {{ window {{ days }} ... @defer {{ countries {{ rows {{ country }} }} }} }} }}",
    "{{ " + PLAIN + ' {{ microconversion(type: "{value}") {{ count }} }} }}',
    "{{ " + PLAIN + " {{ chanels {{ total }} }} }}",
    "{{ acounts {{ id }} }}",
    "{{ accounts {{ id timeZone currency firstDay lastDay }} }}",
    "{{ settings {{ limits {{ name value }} }} }}",
    "{{ __schema {{ types {{ name }} }} }}",
    'subscription {{ dashboard(accountId: "{account}", period: "30d") {{ window {{ days }} }} }}',
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    words = {"account": draw(ACCOUNTS), "other": draw(ACCOUNTS), "segment": draw(SEGMENTS), "value": draw(VALUES)}
    return draw(st.sampled_from(DOCUMENTS)).format(**words)


@st.composite
def graphql(draw: st.DrawFn) -> Ask:
    """A POST, an array, a GET, or a document by its hash alone."""
    text = draw(documents())
    accept = draw(st.sampled_from(["application/json", "multipart/mixed", "application/graphql-response+json"]))
    match draw(st.integers(0, 5)):
        case 0:
            return Ask("POST", "/graphql", [{"query": text}, {"query": draw(documents())}])
        case 1:
            return Ask("GET", f"/graphql?query={quote(text)}", headers={"If-None-Match": "*"})
        case 2:
            return Ask("GET", f"/graphql?extensions={quote(json.dumps(persisted(text)))}")
        case 3:
            return Ask("POST", "/graphql", {"query": text, "extensions": persisted(text)})
        case _:
            return Ask("POST", "/graphql", {"query": text}, {"Accept": accept})


PAGES = st.sampled_from(
    ["/", "/docs", "/openapi.json", "/health", "/livez", "/readyz", "/metrics", "/nowhere", "/api/v1/stats/sourcs"]
).map(lambda address: Ask("GET", address))

DOORS = {
    "reports": gets(),
    "goals": goal_gets(),
    "bodies": posts(),
    "batches": batches(),
    "graphql": graphql(),
    "pages": PAGES,
}
