"""The media types of GraphQL over HTTP: which one a client is answered in, and which bodies are read.

GraphQL over HTTP, *Media Types*; RFC 9110 §12.5.1.  Streams: its *Incremental Delivery* and graphql-sse.
"""

from __future__ import annotations

from starlette.datastructures import Headers

from ..rest_compat.preferences import preferences, quality
from .refusals import NotAcceptable, UnsupportedMediaType

RESPONSE_TYPE = "application/graphql-response+json"
JSON_TYPE = "application/json"
MULTIPART_TYPE = "multipart/mixed"
EVENTS_TYPE = "text/event-stream"

# How Apollo's clients say which draft of incremental delivery they mean: the one of ``pending`` and ``completed``.
INCREMENTAL_SPEC = ("incrementalspec", "v0.2")

_ANY = ("application/*", "*/*")
_UTF_8 = {"", "utf-8", "utf8"}


def negotiated(headers: Headers) -> str:
    """The type to answer in: the one liked better, then the one named; plain JSON where the client does not care.

    Raises ``NotAcceptable`` when it accepts neither.
    """
    accepted = preferences(",".join(headers.getlist("accept"))) or {"*/*": 1.0}
    plain, response = (
        (quality(accepted, (name, *_ANY)), name in accepted)  # compared in this order
        for name in (JSON_TYPE, RESPONSE_TYPE)
    )
    if max(plain, response)[0] == 0:
        raise NotAcceptable(f"Answers are given as {RESPONSE_TYPE} or {JSON_TYPE}")
    return RESPONSE_TYPE if response > plain or (response == plain and RESPONSE_TYPE in accepted) else JSON_TYPE


def negotiated_if_any(headers: Headers) -> str | None:
    """The same, None when neither is accepted."""
    try:
        return negotiated(headers)
    except NotAcceptable:
        return None


def accepted_streams(headers: Headers) -> list[str]:
    """The streams a client names and likes no less than JSON, the best first.  A wildcard means JSON.

    ``multipart/mixed`` with a parameter that means another draft is not what is sent here, so it does not count.
    """
    items = ",".join(headers.getlist("accept")).split(",")
    accepted = preferences(",".join(item for item in items if _means_our_draft(item)))
    json = max(quality(accepted, (name, *_ANY)) for name in (JSON_TYPE, RESPONSE_TYPE))
    named = [name for name in (MULTIPART_TYPE, EVENTS_TYPE) if accepted.get(name)]
    return sorted((name for name in named if accepted[name] >= json), key=lambda name: -accepted[name])


def _means_our_draft(item: str) -> bool:
    parameters = (part.strip().lower().partition("=") for part in item.split(";")[1:])
    specs = [(name, value.strip('"')) for name, _, value in parameters if name.endswith("spec")]
    return all(spec == INCREMENTAL_SPEC for spec in specs)


def check_content(headers: Headers) -> None:
    """Raises ``UnsupportedMediaType`` for a body that is not said to be plain JSON in UTF-8.

    What a browser sends to other origins without asking first (text, forms) is refused here.
    """
    media_type, *parameters = (part.strip().lower() for part in headers.get("content-type", "").split(";"))
    if media_type != JSON_TYPE:
        raise UnsupportedMediaType(f"Send the request as {JSON_TYPE}, not '{media_type[:60]}'")
    charset = next((text.partition("=")[2].strip(' "') for text in parameters if text.startswith("charset=")), "")
    if charset not in _UTF_8:
        raise UnsupportedMediaType(f"Send the request in UTF-8, not '{charset[:20]}'")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaType(f"Send the request as it is, not as '{encoding[:20]}'")
