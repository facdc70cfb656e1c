"""Access tokens: what is read of them, and every way to forge one.  Contract §4.1, §4.3."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fanin.catalog.errors import BadRequest, Unauthorized
from fanin.catalog.identity import Identity, Means
from fanin.catalog.plans import PLANS
from fanin.server.entrance import open_credentials
from fanin.server.settings import ServerSettings
from fanin.server.tokens import JwtReader
from fanin.tests.callers import DOORS, Ask, Clock, closed, get, limits, refusal, sent
from fanin.tests.facts import NOW, visit, write

SECRET = "a-shared-secret-of-more-than-32-bytes"
CLAIMS = {
    "sub": "user-7",
    "email": "ann@acme.example",
    "account_ids": ["acme"],
    "scopes": ["read", "write"],
    "iat": int(NOW.timestamp()),
    "exp": int((NOW + timedelta(minutes=15)).timestamp()),
}


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def pair() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def warehouse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "w.duckdb"
    for account in ("acme", "globex"):
        write(path, account, [visit("2026-03-17T10:00", channel="Direct")])
    return path


def signed(key: Any = SECRET, algorithm: str = "HS256", /, **claims: Any) -> str:
    """A token; a claim of None is left out."""
    told = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(told, key, algorithm)


def told(claim: str, value: Any) -> str:
    """A good token but for the value of one claim."""
    return signed(SECRET, "HS256", **{claim: value})


def forged(header: dict[str, Any], key: bytes = b"", claims: dict[str, Any] = CLAIMS) -> str:
    """A token signed by hand with HMAC-SHA256, or not at all, whatever its header says."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.new(key, b".".join(parts), hashlib.sha256).digest() if key else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def read(token: str, reader: JwtReader | None = None, now: Any = NOW) -> Identity:
    return (reader or JwtReader(secret=SECRET)).identity(token, now)


def why_not(token: str, reader: JwtReader | None = None, now: Any = NOW) -> str:
    with pytest.raises(Unauthorized) as refused:
        read(token, reader, now)
    return refused.value.message


def test_the_documented_claims_are_an_identity() -> None:
    identity = read(signed())

    assert identity == Identity(
        "token:user-7", frozenset({"acme"}), frozenset({"read", "write"}), PLANS["growth"], Means.TOKEN
    )
    assert identity.allows("stats:read")


def test_both_algorithms_are_read_each_with_its_own_key(pair: rsa.RSAPrivateKey) -> None:
    reader = JwtReader(secret=SECRET, public_key=pem(pair), plan=PLANS["scale"])

    identities = [read(signed(), reader), read(signed(pair, "RS256"), reader)]

    assert [identity.plan for identity in identities] == [PLANS["scale"]] * 2
    assert why_not(signed(), JwtReader(public_key=pem(pair))) == "Invalid token"
    assert why_not(signed(pair, "RS256"), JwtReader(secret=SECRET)) == "Invalid token"


def test_scopes_may_be_one_text_as_in_oauth() -> None:
    assert read(signed(scopes="stats:read other")).scopes == {"stats:read", "other"}


def test_without_account_ids_nothing_may_be_read_and_without_scopes_nothing_be_done() -> None:
    identity = read(signed(account_ids=None, scopes=None))

    assert identity.accounts == frozenset()
    assert not identity.allows("stats:read")


def test_no_scope_and_no_star_opens_accounts_that_are_not_listed() -> None:
    assert read(signed(scopes=["read", "superadmin"], account_ids=[])).accounts == frozenset()
    assert why_not(signed(account_ids=["*"])) == "Invalid token"


# --- time ---------------------------------------------------------------------------------------------------------


def test_a_token_expires_at_its_moment_and_not_before() -> None:
    assert read(signed(), now=NOW + timedelta(minutes=14, seconds=59))
    assert why_not(signed(), now=NOW + timedelta(minutes=15)) == "Token has expired"


def test_that_a_token_has_expired_is_told_only_of_a_true_one() -> None:
    assert why_not(signed("another-secret-of-more-than-32-bytes"), now=NOW + timedelta(days=1)) == "Invalid token"


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_of_the_future_is_invalid_but_for_a_minute_of_skew(claim: str) -> None:
    moment = int(NOW.timestamp())

    assert read(told(claim, moment + 60))
    assert why_not(told(claim, moment + 61)) == "Invalid token"


@pytest.mark.parametrize("claim", ["sub", "exp", "iat"])
def test_a_token_without_a_required_claim_is_invalid(claim: str) -> None:
    assert why_not(told(claim, None)) == "Invalid token"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"iat": "x"},
        {"nbf": []},
        {"sub": ""},
        {"sub": "x" * 201},
        {"account_ids": "acme"},
        {"account_ids": [7]},
        {"account_ids": {"acme": 1}},
        {"account_ids": ["../x"]},
        {"scopes": 7},
        {"scopes": [["read"]]},
        {"aud": "another-service"},
    ],
    ids=str,
)
def test_a_claim_of_the_wrong_kind_makes_a_token_invalid(claims: dict[str, Any]) -> None:
    token = forged({"alg": "HS256", "typ": "JWT"}, SECRET.encode(), CLAIMS | claims)

    assert why_not(token) == "Invalid token"


# --- forgeries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "HS384", "HS512", "ES256", "PS256", "hs256", None, 7, []]
)
@pytest.mark.parametrize("key", [b"", SECRET.encode()])
def test_no_other_algorithm_is_taken_and_none_least_of_all(algorithm: Any, key: bytes) -> None:
    assert why_not(forged({"alg": algorithm, "typ": "JWT"}, key)) == "Invalid token"


def test_an_unsigned_token_is_invalid_whatever_it_claims_to_be_signed_with() -> None:
    assert why_not(forged({"alg": "HS256"})) == "Invalid token"
    assert why_not(signed().rpartition(".")[0] + ".") == "Invalid token"


def test_a_public_key_is_not_taken_for_a_secret(pair: rsa.RSAPrivateKey) -> None:
    public = pem(pair)
    confused = forged({"alg": "HS256"}, public)

    assert why_not(confused, JwtReader(public_key=public)) == "Invalid token"
    assert why_not(confused, JwtReader(secret=SECRET, public_key=public)) == "Invalid token"


def test_a_key_inside_the_token_is_not_looked_at(pair: rsa.RSAPrivateKey) -> None:
    mine = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    headers = {"jwk": {"kty": "RSA"}, "jku": "https://evil.example/keys", "kid": "../../dev/null"}
    token = jwt.encode(CLAIMS, mine, "RS256", headers=headers)

    assert why_not(token, JwtReader(public_key=pem(pair))) == "Invalid token"


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "x" * 9000, "é.é.é", "[].[].[]"])
def test_what_is_no_token_is_invalid(token: str) -> None:
    assert why_not(token) == "Invalid token"


def test_every_changed_character_makes_a_token_invalid() -> None:
    token = signed()
    places = range(0, len(token) - 1, 7)  # the last character has bits that mean nothing

    changed = [token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in places]

    assert {why_not(text) for text in changed} == {"Invalid token"}


# --- keys ---------------------------------------------------------------------------------------------------------


def test_a_short_secret_is_refused_at_the_start() -> None:
    with pytest.raises(BadRequest, match="FANIN_JWT_SECRET is too short to be safe: give it at least 32 bytes"):
        JwtReader(secret="x" * 31)


def test_a_public_key_as_the_secret_is_refused_at_the_start(pair: rsa.RSAPrivateKey) -> None:
    with pytest.raises(BadRequest, match="put its file into FANIN_JWT_PUBLIC_KEY"):
        JwtReader(secret=pem(pair).decode())


def test_only_an_rsa_public_key_of_2048_bits_is_taken(pair: rsa.RSAPrivateKey) -> None:
    private = pair.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  weak on purpose

    for wrong in (b"nonsense", private, b"\x00"):
        with pytest.raises(BadRequest, match="is no file with a public key in PEM"):
            JwtReader(public_key=wrong)
    for weak in (pem(short), pem(ec.generate_private_key(ec.SECP256R1()))):
        with pytest.raises(BadRequest, match="must be an RSA key of at least 2048 bits"):
            JwtReader(public_key=weak)


def test_without_the_extra_tokens_are_refused_at_the_start_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fanin.server.tokens", raising=False)
    monkeypatch.setitem(sys.modules, "jwt", None)

    with pytest.raises(BadRequest, match=r"install fanin\[jwt\]"):
        open_credentials(ServerSettings(jwt_secret=SECRET))


# --- at the doors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_a_server_with_tokens_asks_for_them_at_every_door(warehouse_file: Path, door: Any) -> None:
    asks = (door("acme"), door("acme").bearing(signed()), door("acme").bearing(signed(scopes=["write"])))

    missing, right, without_scope = sent(warehouse_file, *asks, settings=ServerSettings(jwt_secret=SECRET))

    assert refusal(missing) == (401, "unauthorized", "Authentication required")
    assert right.status_code not in (401, 403)
    assert refusal(without_scope) == (403, "forbidden", "Required scope: stats:read")


def test_a_token_reads_its_accounts_and_no_others(warehouse_file: Path) -> None:
    asks = [get(account).bearing(signed()) for account in ("acme", "globex", "nowhere")]

    own, other, unknown = sent(warehouse_file, *asks, settings=ServerSettings(jwt_secret=SECRET))

    assert own.status_code == 200
    assert refusal(other) == (403, "forbidden", "Access denied to account: globex")
    assert refusal(unknown) == (403, "forbidden", "Access denied to account: nowhere")


def test_tokens_and_keys_live_side_by_side(warehouse_file: Path, tmp_path: Path) -> None:
    config = closed(tmp_path / "keys.json", jwt_secret=SECRET)
    clock = Clock()
    late = get("acme").bearing(signed()).after(lambda: clock.wait(minutes=15))

    right, no_key, expired = sent(
        warehouse_file,
        get("acme").bearing(signed()),
        get("acme").bearing("sm_" + "x" * 61),
        late,
        settings=config,
        clock=clock,
    )

    assert right.status_code == 200
    assert refusal(no_key) == (401, "unauthorized", "Invalid API key")
    assert refusal(expired) == (401, "unauthorized", "Token has expired")


def test_a_session_has_its_full_plan_at_every_door(warehouse_file: Path) -> None:
    asks: list[Ask] = [get("acme"), *(DOORS[name]("acme") for name in ("batch", "graphql"))]
    config = ServerSettings(jwt_secret=SECRET, jwt_plan="scale")

    responses = sent(warehouse_file, *(ask.bearing(signed()) for ask in asks), settings=config)

    assert [limits(response)[:2] for response in responses] == [[480, 479], [480, 478], [480, 477]]
