"""The API reference at ``/docs``: plain HTML, rendered from the OpenAPI document, that needs neither script nor network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ..rest_compat.openapi import ADDRESS, openapi_document
from .graphiql import GRAPHQL_PATH
from .html_text import block, code, json_block, paragraphs, prose, table, type_of
from .static_files import StaticFile, read_static, static_route

DOCS_PATH = "/docs"
STATIC_PATH = f"{DOCS_PATH}/static"

STYLE, SCRIPT, ICON = "reference.css", "reference.js", "icon.svg"

PAGE_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

_ORIGIN = "http://127.0.0.1:8000"  # in examples, until the page's script puts the real one there

_FOLDER = Path(__file__).parent / "static" / "reference"

Json = dict[str, Any]


def docs_routes() -> list[Route]:
    """The page and its files, read once, here.  Raises ``FileNotFoundError`` where the installation lacks one."""
    files = static_files()

    async def docs(request: Request) -> Response:
        root_path = request.scope.get("app_root_path", request.scope.get("root_path", ""))
        return HTMLResponse(_page(root_path), headers=PAGE_HEADERS)

    return [Route(DOCS_PATH, docs, methods=["GET"]), static_route(STATIC_PATH, files.values())]


@cache
def static_files() -> dict[str, StaticFile]:
    """Every file a browser may fetch, by its plain name."""
    return {name: read_static(_FOLDER / name) for name in (STYLE, SCRIPT, ICON)}


@cache
def _page(root_path: str) -> str:
    document = openapi_document(root_path or "/")
    address = {name: escape(f"{root_path}{STATIC_PATH}/{file.hashed_name}") for name, file in static_files().items()}
    info = document["info"]
    return Template((_FOLDER / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(info["title"]),
        version=escape(info["version"]),
        summary=escape(info["summary"]),
        style=address[STYLE],
        script=address[SCRIPT],
        icon=address[ICON],
        openapi=escape(root_path + ADDRESS),
        graphql=escape(root_path + GRAPHQL_PATH),
        navigation="\n".join(_navigation(document)),
        introduction=paragraphs(info["description"]),
        sections="\n".join(_Reference(document, root_path).sections()),
    )


def _operations(document: Json, tag: str) -> Iterator[tuple[str, str, Json]]:
    """Method, path and operation of a tag, in the document's order."""
    for path, item in document["paths"].items():
        yield from ((method, path, operation) for method, operation in item.items() if tag in operation["tags"])


def _slug(tag: str) -> str:
    return tag.lower().replace(" ", "-")


def _navigation(document: Json) -> Iterator[str]:
    for tag in document["tags"]:
        links = "\n".join(
            f'<li><a href="#{operation["operationId"]}">{_method(method)}<span>{_short(path)}</span></a></li>'
            for method, path, operation in _operations(document, tag["name"])
        )
        yield f"<details open><summary>{escape(tag['name'])}</summary>\n<ul>\n{links}\n</ul></details>"


def _method(method: str) -> str:
    return f'<b class="method {method}">{method.upper()}</b>'


def _short(path: str) -> str:
    return escape(path.removeprefix("/api/v1"))


class _Reference:
    """The document as sections of HTML."""

    def __init__(self, document: Json, root_path: str) -> None:
        self._document = document
        self._root_path = root_path
        self._common = _common_parameters(document)
        self._schemas: Json = document["components"]["schemas"]

    def sections(self) -> Iterator[str]:
        for tag in self._document["tags"]:
            operations = "\n".join(self._operation(*row) for row in _operations(self._document, tag["name"]))
            common = self._common_section() if tag["name"] == "Reports" else ""
            yield (
                f'<section aria-labelledby="{_slug(tag["name"])}"><h2 id="{_slug(tag["name"])}">{escape(tag["name"])}</h2>'
                f"\n<p>{prose(tag['description'])}</p>\n{common}{operations}</section>"
            )
        yield self._errors()

    def _common_section(self) -> str:
        rows = [self._parameter_row(self._resolved(parameter)) for parameter in self._common]
        caption = "Parameters that every report takes"
        return (
            f'<section class="common" aria-labelledby="common-parameters"><h3 id="common-parameters">{caption}</h3>'
            f"{table(caption, _PARAMETER_HEAD, rows)}</section>\n"
        )

    def _operation(self, method: str, path: str, operation: Json) -> str:
        name = operation["operationId"]
        parts = [
            f"<p>{prose(operation['description'])}</p>" if "description" in operation else "",
            self._parameters(operation),
            self._body(operation),
            self._request(method, path, operation),
            *self._answers(operation),
            self._refusals(operation),
        ]
        return (
            f'<article id="{name}" aria-labelledby="{name}-title"><h3 id="{name}-title">{escape(operation["summary"])}'
            f' <a class="here" href="#{name}" aria-label="Link to {escape(operation["summary"])}">#</a></h3>\n'
            f'<p class="address">{_method(method)} {code(path)}</p>\n{_lines(parts)}</article>'
        )

    def _parameters(self, operation: Json) -> str:
        given = operation.get("parameters", [])
        own = [self._parameter_row(self._resolved(parameter)) for parameter in given if parameter not in self._common]
        told = f"<h4>Parameters</h4>\n{table('Parameters', _PARAMETER_HEAD, own)}" if own else ""
        shared = any(parameter in self._common for parameter in given)
        link = '<p>Beside these it takes the <a href="#common-parameters">parameters of every report</a>.</p>'
        return told + (link if shared else "")

    def _parameter_row(self, parameter: Json) -> tuple[str, str, str, str]:
        schema = parameter["schema"]
        marks = [mark for mark in ("required", "deprecated") if parameter.get(mark)]
        name = code(parameter["name"]) + "".join(f' <em class="{mark}">{mark}</em>' for mark in marks)
        default = code(json.dumps(schema["default"]).strip('"')) if "default" in schema else ""
        meanings = [prose(parameter["description"])]
        if "description" in schema:
            meanings.append(prose(schema["description"]))
        return name, type_of(schema, self._schemas), default, " ".join(meanings)

    def _body(self, operation: Json) -> str:
        if "requestBody" not in operation:
            return ""
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        return f"<h4>Body</h4>\n{self._members('Members of the body', schema)}"

    def _request(self, method: str, path: str, operation: Json) -> str:
        return f"<h4>Request</h4>\n{block(self._curl(method, path, operation), 'Example of a request')}"

    def _curl(self, method: str, path: str, operation: Json) -> str:
        """A command with the parameters that have an example; the origin is marked for the script to correct."""
        parameters = [self._resolved(parameter) for parameter in operation.get("parameters", ())]
        shown = {parameter["name"]: parameter for parameter in parameters if "example" in parameter}
        for name in [name for name, parameter in shown.items() if parameter["in"] == "path"]:
            path = path.replace(f"{{{name}}}", shown.pop(name)["example"])
        query = urlencode({name: parameter["example"] for name, parameter in shown.items()})
        address = escape(self._root_path + path + (f"?{query}" if query else ""))
        url = f"'<span data-origin>{_ORIGIN}</span>{address}'"
        if method == "get":
            return f"curl {url}"
        body = json_block(operation["requestBody"]["content"]["application/json"]["example"])
        return f"curl {url} \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"

    def _answers(self, operation: Json) -> Iterator[str]:
        yield "<h4>Answer</h4>"
        for media_type, media in operation["responses"]["200"]["content"].items():
            example = media["example"]
            told = escape(example, quote=False) if isinstance(example, str) else json_block(example)
            yield _folded(f"200 {code(media_type)}", block(told, f"Example of an answer in {media_type}"))
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        yield _folded("Members of the answer", self._members("Members of the answer", schema))

    def _refusals(self, operation: Json) -> str:
        links = [
            f'<a href="#error-{status}">{status}</a>' if "$ref" in response else status
            for status, response in operation["responses"].items()
            if status != "200"
        ]
        return f'<p class="refusals">Refusals: {", ".join(links)}.</p>' if links else ""

    def _errors(self) -> str:
        rows = [
            (f'<span id="error-{status}">{status}</span>', prose(self._resolved(response)["description"]))
            for status, response in sorted(self._shared_refusals().items())
        ]
        example = self._document["components"]["responses"]["ValidationError"]["content"]["application/json"]["example"]
        return (
            '<section aria-labelledby="errors"><h2 id="errors">Errors</h2>\n'
            "<p>Every refusal of a whole request is such an object, under its HTTP status.</p>\n"
            f"{block(json_block(example), 'Example of an error')}\n"
            f"{table('Refusals by status', ('Status', 'Codes and their meaning'), rows)}</section>"
        )

    def _shared_refusals(self) -> dict[str, Json]:
        """By status: the refusals that operations have in common."""
        operations = [operation for item in self._document["paths"].values() for operation in item.values()]
        told = [pair for operation in operations for pair in operation["responses"].items()]
        return {status: response for status, response in told if "$ref" in response}

    def _members(self, caption: str, schema: Json) -> str:
        rows = [
            (code(path), type_of(member, self._schemas) + ("" if required else " <em>optional</em>"), _meaning(member))
            for path, member, required in self._flattened(schema, "", ())
        ]
        return table(caption, ("Member", "Type", "Meaning"), rows)

    def _flattened(self, schema: Json, prefix: str, inside: tuple[str, ...]) -> Iterator[tuple[str, Json, bool]]:
        """Every member by its path, ``data[].entrances``; a schema that was opened already is not opened again."""
        opened, holder = set(inside), self._object(schema)
        if holder.get("additionalProperties", True) is not False:
            return  # it may hold anything, and says so itself
        for name, member in holder["properties"].items():
            path = f"{prefix}{name}"
            yield path, member, name in holder.get("required", ())
            inner, path = (member["items"], f"{path}[]") if "items" in member else (member, path)
            inner = next(iter(inner.get("anyOf", (inner,))))
            if (named := inner.get("$ref")) and named not in opened:
                opened.add(named)
                yield from self._flattened(inner, f"{path}.", tuple(opened))

    def _object(self, schema: Json) -> Json:
        """The schema behind names, and the first of several."""
        while "$ref" in schema or "anyOf" in schema:
            schema = self._resolved(schema) if "$ref" in schema else schema["anyOf"][0]
        return schema

    def _resolved(self, part: Json) -> Json:
        if "$ref" not in part:
            return part
        _, _, kind, name = part["$ref"].split("/")
        return self._document["components"][kind][name]


def _common_parameters(document: Json) -> list[Json]:
    """The parameters that every report takes alike, less those that a request cannot do without."""
    taken = [
        operation["parameters"]
        for item in document["paths"].values()
        for operation in item.values()
        if "parameters" in operation and {"$ref": "#/components/parameters/AccountId"} in operation["parameters"]
    ]
    common = [parameter for parameter in taken[0] if all(parameter in others for others in taken)]
    named = document["components"]["parameters"]
    return [
        parameter
        for parameter in common
        if not named.get(parameter.get("$ref", "").rpartition("/")[2], {}).get("required")
    ]


_PARAMETER_HEAD = ("Name", "Type", "Default", "Meaning")


def _meaning(member: Json) -> str:
    default = f" Default {code(json.dumps(member['default']))}." if "default" in member else ""
    return prose(member.get("description", "")) + default


def _folded(summary: str, markup: str) -> str:
    return f"<details><summary>{summary}</summary>\n{markup}</details>"


def _lines(parts: list[str]) -> str:
    return "\n".join(part for part in parts if part)
