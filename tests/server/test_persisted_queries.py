"""Persisted queries: a hash for a document, kept within bounds; and the list beside which nothing runs."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanin.catalog.errors import BadRequest, Forbidden
from fanin.server.persisted_queries import (
    KeptQueries,
    ListedQueries,
    NoQueries,
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
    read_manifest,
)
from fanin.server.settings import ServerSettings, read_settings
from fanin.tests.callers import Ask, sent
from fanin.tests.facts import visit, write

DOCUMENT = "query ($a: ID!) { stats(accountId: $a) { os { total } } }"
ANSWER = {"stats": {"os": {"total": 1}}}
NOT_FOUND = {"errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]}
NOT_SUPPORTED = {
    "errors": [{"message": "PersistedQueryNotSupported", "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}}]
}


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    write(path, "acme", [visit("2026-03-17T10:00", country="ES"), visit("2026-03-17T11:00", country="US")])
    return path


def hash_of(document: str) -> str:
    return sha256(document.encode()).hexdigest()


def persisted(document_id: Any, version: Any = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": document_id}}


def post(**fields: Any) -> Ask:
    return Ask("POST", "/graphql", {"variables": {"a": "acme"}, **fields})


def by_get(document_id: str) -> Ask:
    params = {"variables": '{"a": "acme"}', "extensions": json.dumps(persisted(document_id))}
    return Ask("GET", f"/graphql?{httpx.QueryParams(params)}")


def data(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()["data"]


# --- automatic ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
def test_a_hash_is_not_found_then_sent_with_its_document_and_then_enough(warehouse_file: Path, accept: str) -> None:
    unknown, taught, known, got = sent(
        warehouse_file,
        *(
            Ask(ask.method, ask.address, ask.body, {"accept": accept})
            for ask in (
                post(extensions=persisted(hash_of(DOCUMENT))),
                post(query=DOCUMENT, extensions=persisted(hash_of(DOCUMENT))),
                post(extensions=persisted(hash_of(DOCUMENT).upper())),
                by_get(hash_of(DOCUMENT)),
            )
        ),
    )

    assert (unknown.status_code, unknown.json(), unknown.headers["cache-control"]) == (200, NOT_FOUND, "no-store")
    assert [data(response) for response in (taught, known, got)] == [ANSWER] * 3


def test_a_get_by_hash_can_be_revalidated(warehouse_file: Path) -> None:
    asks = (post(query=DOCUMENT, extensions=persisted(hash_of(DOCUMENT))), by_get(hash_of(DOCUMENT)))
    _, got = sent(warehouse_file, *asks)

    held = Ask("GET", asks[1].address, headers={"If-None-Match": got.headers["etag"]})
    _, again, unknown = sent(warehouse_file, asks[0], held, by_get(hash_of("{ __typename }")))

    assert (again.status_code, again.content) == (304, b"")
    assert unknown.json() == NOT_FOUND


def test_the_draft_s_document_id_means_the_same(warehouse_file: Path) -> None:
    document_id = f"sha256:{hash_of(DOCUMENT)}"
    params = httpx.QueryParams({"documentId": document_id, "variables": '{"a": "acme"}'})

    unknown, taught, known, got = sent(
        warehouse_file,
        post(documentId=document_id),
        post(query=DOCUMENT, documentId=document_id),
        post(documentId=document_id),
        Ask("GET", f"/graphql?{params}"),
    )

    assert unknown.json() == NOT_FOUND
    assert [data(response) for response in (taught, known, got)] == [ANSWER] * 3


def test_a_document_under_another_s_hash_is_refused_and_not_kept(warehouse_file: Path) -> None:
    wrong = persisted(hash_of("{ __typename }"))

    refused, unknown = sent(warehouse_file, post(query=DOCUMENT, extensions=wrong), post(extensions=wrong))

    assert refused.status_code == 400
    assert [error["message"] for error in refused.json()["errors"]] == [
        "The id of a persisted query must be the SHA-256 of query, in hexadecimal digits"
    ]
    assert unknown.json() == NOT_FOUND


@pytest.mark.parametrize(
    "extension",
    [1, "x", [], {}, {"version": 1}, {"version": 2, "sha256Hash": "a"}, {"version": 1, "sha256Hash": 5}],
)
def test_an_extension_that_cannot_be_read_is_told_what_is_accepted(warehouse_file: Path, extension: Any) -> None:
    (response,) = sent(warehouse_file, post(query=DOCUMENT, extensions={"persistedQuery": extension}))

    assert response.status_code == 400
    assert [error["message"] for error in response.json()["errors"]] == [
        "extensions.persistedQuery must be an object with version 1 and a sha256Hash, as a string"
    ]


def test_each_entry_of_an_array_may_have_its_hash(warehouse_file: Path) -> None:
    by_hash = {"variables": {"a": "acme"}, "extensions": persisted(hash_of(DOCUMENT))}
    other = {"extensions": persisted(hash_of("{ __typename }"))}

    first, second = sent(
        warehouse_file,
        Ask("POST", "/graphql", [{**by_hash, "query": DOCUMENT}, other]),
        Ask("POST", "/graphql", [by_hash, by_hash, other]),
    )

    assert [entry.get("data") for entry in first.json()] == [ANSWER, None]
    assert [entry.get("data") for entry in second.json()] == [ANSWER, ANSWER, None]
    assert second.json()[2] == NOT_FOUND


def test_the_documents_used_last_are_kept_within_a_number() -> None:
    kept = KeptQueries(most=2)
    a, b, c = documents = [f"{{ {name}: __typename }}" for name in "abc"]
    for document in (a, b):
        kept.document(document, hash_of(document))
    kept.document(None, hash_of(a))  # used again, so b is the oldest
    kept.document(c, hash_of(c))

    assert [found(kept, document) for document in documents] == [True, False, True]


def test_the_documents_used_last_are_kept_within_their_bytes() -> None:
    kept = KeptQueries(most_bytes=100)
    documents = [f"{{ {name * 40}: __typename }}" for name in "abc"]  # 55 bytes each
    for document in (*documents, documents[2]):
        kept.document(document, hash_of(document))
    assert [found(kept, document) for document in documents] == [False, False, True]

    small = "{ __typename }"
    kept.document(small, hash_of(small))
    assert [found(kept, document) for document in (documents[2], small)] == [True, True]


def found(kept: KeptQueries, document: str) -> bool:
    try:
        return kept.document(None, hash_of(document)) == document
    except PersistedQueryNotFound:
        return False


# --- none ---------------------------------------------------------------------------------------------------------


def test_where_nothing_is_kept_clients_are_told_to_send_documents(warehouse_file: Path) -> None:
    config = ServerSettings(persisted_queries=NoQueries())
    asks = (
        post(extensions=persisted(hash_of(DOCUMENT))),
        post(query=DOCUMENT, extensions=persisted(hash_of(DOCUMENT))),
        by_get(hash_of(DOCUMENT)),
    )

    refused, run, still_refused = sent(warehouse_file, *asks, settings=config)

    assert [refused.json(), still_refused.json()] == [NOT_SUPPORTED] * 2
    assert data(run) == ANSWER
    with pytest.raises(PersistedQueryNotSupported):
        NoQueries().document(None, "x")


# --- the list -----------------------------------------------------------------------------------------------------

MANIFESTS: dict[str, Any] = {
    "apollo": {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": hash_of(DOCUMENT), "name": "", "type": "query", "body": DOCUMENT}],
    },
    "relay": {"d41d8cd98f00b204e9800998ecf8427e": DOCUMENT},
    "by hash": {hash_of(DOCUMENT): DOCUMENT},
}


def manifest(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "manifest.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.mark.parametrize("layout", MANIFESTS)
def test_what_is_on_the_list_runs_by_id_by_hash_and_as_written(
    warehouse_file: Path, tmp_path: Path, layout: str
) -> None:
    listed = read_manifest(manifest(tmp_path, MANIFESTS[layout]))
    config = ServerSettings(persisted_queries=ListedQueries(listed))
    (document_id,) = listed

    responses = sent(
        warehouse_file,
        post(extensions=persisted(hash_of(DOCUMENT))),
        post(documentId=document_id),
        post(query=DOCUMENT),
        post(query=DOCUMENT, extensions=persisted(hash_of(DOCUMENT))),
        by_get(hash_of(DOCUMENT)),
        settings=config,
    )

    assert [data(response) for response in responses] == [ANSWER] * 5


def test_nothing_runs_beside_the_list(warehouse_file: Path) -> None:
    other = "{ accounts { id } }"
    config = ServerSettings(persisted_queries=ListedQueries({hash_of(DOCUMENT): DOCUMENT}))

    responses = sent(
        warehouse_file,
        post(query=other),
        post(query=f"{DOCUMENT} "),
        post(extensions=persisted(hash_of(other))),
        post(query=other, extensions=persisted(hash_of(other))),
        post(query=other, extensions=persisted(hash_of(DOCUMENT))),
        by_get(hash_of(other)),
        post(query="{ __schema { types { name } } }"),
        settings=config,
    )
    (array,) = sent(
        warehouse_file,
        Ask("POST", "/graphql", [{"query": other}, {"query": DOCUMENT, "variables": {"a": "acme"}}]),
        settings=config,
    )

    message = "This server runs only the documents on its list, and this is none of them"
    refused = {
        "errors": [
            {"message": message, "extensions": {"code": "forbidden", "message": message, "status": 403}},
        ]
    }
    assert [(response.status_code, response.json()) for response in responses] == [(403, refused)] * 7
    assert array.json()[0] == refused
    assert array.json()[1]["data"] == ANSWER


def test_rest_needs_no_list(warehouse_file: Path) -> None:
    config = ServerSettings(persisted_queries=ListedQueries({"x": DOCUMENT}))

    (response,) = sent(warehouse_file, Ask("GET", "/api/v1/stats/os?account_id=acme"), settings=config)

    assert response.status_code == 200


def test_the_variable_says_which_queries_persist(tmp_path: Path) -> None:
    path = manifest(tmp_path, {"x": DOCUMENT})

    chosen = [
        read_settings({"FANIN_PERSISTED_QUERIES": text}).persisted_queries for text in ("", "off", "OFF", str(path))
    ]

    assert [type(queries) for queries in chosen] == [KeptQueries, NoQueries, NoQueries, ListedQueries]
    assert chosen[3].document(None, "x") == DOCUMENT
    with pytest.raises(Forbidden):
        chosen[3].document(None, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[]", "is no list of documents"),
        ({}, "is no list of documents"),
        ({"a": 1}, "is no list of documents"),
        ({"operations": [{"id": "a"}]}, "is no list of documents"),
        ({"operations": [1]}, "is no list of documents"),
        ({"operations": []}, "is no list of documents"),
        ({"operations": [{"id": ["a"], "body": "b"}]}, "is no list of documents"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path, content: Any, message: str) -> None:
    path = manifest(tmp_path, content)

    with pytest.raises(BadRequest) as refused:
        read_settings({"FANIN_PERSISTED_QUERIES": str(path)})

    assert refused.value.message.startswith(f"FANIN_PERSISTED_QUERIES: {path} {message}")


def test_a_manifest_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"FANIN_PERSISTED_QUERIES: .*none\.json cannot be read: No such file"):
        read_settings({"FANIN_PERSISTED_QUERIES": str(tmp_path / "none.json")})
