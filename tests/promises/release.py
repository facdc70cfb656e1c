"""Keeps the doors of the version that is about to be released: ``python -m fanin.tests.promises.release 0.2``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from fanin.rest_compat.openapi import openapi_document
from fanin.schema.schema import schema

HERE = Path(__file__).parent


def keep(version: str) -> None:
    """Writes the pair of files that ``test_promises.py`` compares with from then on."""
    if not re.fullmatch(r"[0-9]+\.[0-9]+", version):
        raise SystemExit(f"'{version}' is no version such as 0.2")
    (HERE / f"released-{version}.graphql").write_text(schema.as_str() + "\n", encoding="utf-8")
    document = json.dumps(without_examples(openapi_document()), ensure_ascii=False, separators=(",", ":"))
    (HERE / f"openapi-{version}.json").write_text(document + "\n", encoding="utf-8")


def without_examples(node: Any) -> Any:
    """What is promised; examples and descriptions are not, and are most of the document."""
    if isinstance(node, list):
        return [without_examples(member) for member in node]
    if not isinstance(node, dict):
        return node
    return {
        name: {inner: without_examples(schema) for inner, schema in member.items()}
        if name == "properties"
        else without_examples(member)
        for name, member in node.items()
        if name not in ("example", "examples", "description", "summary")
    }


if __name__ == "__main__":
    keep(sys.argv[1])
