"""Text, JSON and schemas as HTML.  Whatever comes in is escaped; what comes out is markup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")
_JSON_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)'
)


def prose(text: str) -> str:
    """One line of text in which `code` and **strong** words may stand."""
    return _STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(text)))


def paragraphs(text: str) -> str:
    return "\n".join(f"<p>{prose(part.strip())}</p>" for part in text.split("\n\n") if part.strip())


def code(text: object) -> str:
    return f"<code>{escape(str(text))}</code>"


def codes(words: Iterable[object]) -> str:
    return ", ".join(map(code, words))


def script_data(value: object) -> str:
    """JSON that cannot end the ``<script>`` block it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def json_block(value: Any) -> str:
    """JSON on several lines, its keys, texts and numbers told apart."""
    told, place = [], 0
    text = json.dumps(value, ensure_ascii=False, indent=2)
    for token in _JSON_TOKEN.finditer(text):
        told.append(escape(text[place : token.start()], quote=False))
        told.append(f'<span class="{token.lastgroup}">{escape(token.group(), quote=False)}</span>')
        place = token.end()
    return "".join((*told, escape(text[place:], quote=False)))


def block(markup: str, label: str) -> str:
    """A block that scrolls by itself, so it has a name and takes the focus."""
    return f'<pre tabindex="0" role="region" aria-label="{escape(label)}"><code>{markup}</code></pre>'


def table(caption: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of markup; the first cell of a row is its heading."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "\n".join(_row(*cells) for cells in rows)
    return (
        f'<div class="table"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>\n{lines}\n</tbody></table></div>"
    )


def _row(name: str, *cells: str) -> str:
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


# --- schemas ------------------------------------------------------------------------------------------------------


def type_of(schema: dict[str, Any], named: Mapping[str, Any]) -> str:
    """The type in words, with what it is held to.  A named one is told by its name, a list of words by the words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return type_of(named[name], named) if "enum" in named.get(name, ()) else escape(name)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(type_of(choice, named) for choice in choices))
    if "enum" in schema:
        return codes(word for word in schema["enum"] if word is not None)
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    kinds = schema.get("type", "any value")
    if isinstance(kinds, list):
        return " or ".join((type_of({**schema, "type": kinds[0]}, named), *kinds[1:]))
    inner = f" of {type_of(schema['items'], named)}" if kinds == "array" else ""
    return f"{escape(schema.get('format') or kinds)}{inner}{_bounds(schema)}"


_BOUNDS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
)


def _bounds(schema: dict[str, Any]) -> str:
    for low, high, what in _BOUNDS:
        least, most = schema.get(low), schema.get(high)
        if least is not None and most is not None:
            return f", {least:,} to {most:,}{what}"
        if most is not None:
            return f", at most {most:,}{what}"
        if least is not None:
            return f", {least:,} or more{what}"
    return ""
