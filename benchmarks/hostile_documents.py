"""Documents made to be expensive, and the processor time it takes to refuse each: ``python -m benchmarks.hostile_documents``.

``tests/schema/test_guard.py`` proves that each is refused, and by how much work; here it is milliseconds.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from graphql import get_introspection_query

from fanin.catalog.limits import DocumentRules
from fanin.schema.documents import read_document
from fanin.schema.schema import schema

TARGET_MS = 20
ROUNDS = 7

STATS = '{ stats(accountId: "a") {'


@dataclass(frozen=True, slots=True)
class Hostile:
    """A document, and what refuses it: a limit, or None where the parser or a rule of the language does."""

    name: str
    text: str
    limit: str | None


def doubling(levels: int) -> str:
    """Fragments that spread the next one twice: as many fields as two to the levels."""
    chain = " ".join(f"fragment f{level} on Query {{ ...f{level + 1} ...f{level + 1} }}" for level in range(levels))
    return f"{{ ...f0 }} {chain} fragment f{levels} on Query {{ __typename }}"


def circle(length: int) -> str:
    """Fragments that spread each other in a circle, each of them twice."""
    spreads = (
        f"fragment f{place} on Query {{ ...f{(place + 1) % length} ...f{(place + 2) % length} }}"
        for place in range(length)
    )
    return f"{{ ...f0 }} {' '.join(spreads)}"


def chain(length: int) -> str:
    """Fragments one below the other, which recursion would fall over."""
    spreads = (f"fragment f{place} on Query {{ ...f{place + 1} }}" for place in range(length))
    return f"{{ ...f0 }} {' '.join(spreads)} fragment f{length} on Query {{ nope }}"


def schema_within_itself(depth: int) -> str:
    return "{ __schema { types { " + "fields { type { " * depth + "name" + " } }" * depth + " } } }"


def conflicting(count: int) -> str:
    """One response name with as many different arguments, each pair of which has to be compared."""
    return f"{STATS} {' '.join(f'pages(page: {place}) {{ total }}' for place in range(count))} }} }}"


def wide_rows(count: int) -> str:
    tiles = (f"a{place}: query(limit: 10000) {{ total }}" for place in range(count))
    return f"{STATS} {' '.join(tiles)} }} }}"


HOSTILE = (
    Hostile("fragments doubling, 20 levels", doubling(20), "max_fields"),
    Hostile("fragments doubling, 60 levels", doubling(60), "max_fields"),
    Hostile("fragments doubling, 200 levels", doubling(200), "max_fields"),
    Hostile("fragments doubling, 200 levels, never spread", doubling(200).replace("...f0", "a", 1), "max_fields"),
    Hostile("fragments in a circle of 2", circle(2), None),
    Hostile("fragments in a circle of 150", circle(150), "max_fields"),
    Hostile("fragments in a chain of 250", chain(250), None),
    Hostile("field x 2,100", "{ " + "a " * 2_100 + "}", "max_fields"),
    Hostile("field x 4,000 (24 kB)", "{ " + "field " * 4_000 + "}", "max_document_tokens"),
    Hostile("field x 1,790", f"{STATS} {'__typename ' * 1_790} }} }}", "max_comparisons"),
    Hostile("fields inside fields, 13 deep", STATS + " pages {" * 11 + " total" + " }" * 13, "max_depth"),
    Hostile("fields inside fields, 250 deep", "{ " + "a { " * 250 + "b" + " }" * 251, None),
    Hostile("alias x 3,000 (24 kB)", "{ " + " ".join(f"a{n}: b" for n in range(3_000)) + " }", "max_document_tokens"),
    Hostile("alias x 700", "{ " + " ".join(f"a{n}: b" for n in range(700)) + " }", "max_aliases"),
    Hostile("alias x 700 in a fragment that is not spread", "{ a } fragment f on Query { " + " ".join(f"a{n}: b" for n in range(700)) + " }", "max_aliases"),
    Hostile("stats x 51", "{ " + " ".join(f's{n}: stats(accountId: "a") {{ os {{ total }} }}' for n in range(51)) + " }", "max_root_fields"),
    Hostile("conflicting fields x 240", conflicting(240), "max_comparisons"),
    Hostile("@skip x 5,000 (75 kB)", "{ __typename " + "@skip(if: true) " * 5_000 + "}", "max_document_length"),
    Hostile("@skip x 300", "{ __typename " + "@skip(if: true) " * 300 + "}", "max_directives"),
    Hostile("unknown directive x 5,000", "{ __typename " + "@aa " * 5_000 + "}", "max_document_tokens"),
    Hostile("unknown directive x 1,000", "{ __typename " + "@aa " * 1_000 + "}", "max_directives"),
    Hostile("unknown field x 1,790", f"{STATS} " + " ".join(f"statz{n}" for n in range(1_790)) + " }" + " }", None),
    Hostile("argument x 700", '{ stats(accountId: "a", ' + "period: " + '"1d", period: ' * 700 + '"1d") { os { total } } }', "max_inputs"),
    Hostile("variable x 530", "query (" + " ".join(f"$v{n}: Int" for n in range(530)) + ") { __typename }", "max_inputs"),
    Hostile("operation x 430", " ".join(f"query q{n} {{ nope }}" for n in range(430)), None),
    Hostile("list inside list, 190 deep", "{ stats(accountId: " + "[" * 190 + "]" * 190 + ") { os { total } } }", None),
    Hostile("value x 2,100 in a list", '{ stats(accountId: "a", filters: [' + "1 " * 2_100 + "]) { os { total } } }", "max_inputs"),
    Hostile("text of 31,000 characters", '{ stats(accountId: "' + "a" * 31_000 + '", x: 1) { os { total } } }', None),
    Hostile("comment x 15,000", "#\n" * 15_000 + "{ __typename }", "max_document_tokens"),
    Hostile("space x 90,000", " " * 90_000 + "{ __typename }", "max_document_length"),
    Hostile("the schema within itself", schema_within_itself(20), None),
    Hostile("11 reports of 10,000 rows", wide_rows(11), "max_rows"),
)  # fmt: skip


def main() -> None:
    sys.stdout.write("\n".join(hostile_section()) + "\n")


def hostile_section() -> list[str]:
    """What refusing each takes, the least of some rounds: documents are refused once and then remembered."""
    taken = {hostile: min(_cpu_ms(hostile.text) for _ in range(ROUNDS)) for hostile in HOSTILE}
    return [
        "## Hostile documents",
        "",
        f"Processor time to refuse each, read for the first time.  Slowest {max(taken.values()):.1f} ms; target: under "
        f"{TARGET_MS} ms.  The usual introspection is accepted and takes {_cpu_ms(get_introspection_query()):.1f} ms.",
        "",
        "| document | characters | refused by | ms |",
        "|---|---:|---|---:|",
        *(
            f"| {hostile.name} | {len(hostile.text):,} | {hostile.limit or 'the language'} | {ms:.1f} |"
            for hostile, ms in taken.items()
        ),
        "",
    ]


def _cpu_ms(text: str) -> float:
    began = time.process_time()
    document = read_document(text, schema.graphql_schema, DocumentRules())
    for operation in document.operations:
        document.refused(operation.name, {})
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    main()
