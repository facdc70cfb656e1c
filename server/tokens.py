"""Access tokens: JWTs signed with HS256 by a shared secret or with RS256 by a key pair.  Contract §4.1.

Each algorithm is tied to its own key, and a token cannot say otherwise: ``none`` and a public key taken for a secret
are refused.  PyJWT checks signatures; times are compared here, with the clock of the server.

This module needs the extra ``fanin[jwt]``; only ``entrance.py`` imports it, and only where tokens are set up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.types import Options

from ..catalog.accounts import ACCOUNT_ID
from ..catalog.errors import BadRequest, Unauthorized
from ..catalog.identity import Identity, Means
from ..catalog.plans import DEFAULT_PLAN, PLANS, Plan

MIN_SECRET_BYTES = 32  # RFC 7518 §3.2: as long as the hash
MIN_RSA_BITS = 2048  # RFC 7518 §3.3
CLOCK_SKEW_S = 60  # by which the issuer's clock may be ahead
MAX_TOKEN_LENGTH = 8192

_CLAIMS = ("sub", "exp", "iat")
_SIGNATURE_ONLY: Options = {
    "require": list(_CLAIMS),
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class JwtReader:
    """Reads tokens of one issuer.  Raises ``BadRequest`` for keys that make nothing safe."""

    def __init__(self, *, secret: str = "", public_key: bytes = b"", plan: Plan = PLANS[DEFAULT_PLAN]) -> None:
        self._plan = plan
        self._keys: dict[str, Any] = {}
        if secret:
            self._keys["HS256"] = _checked_secret(secret)
        if public_key:
            self._keys["RS256"] = _checked_public_key(public_key)

    def identity(self, token: str, now: datetime) -> Identity:
        """Whose token it is.  Raises ``Unauthorized`` in the words of Contract §4.3."""
        claims = self._verified(token)
        moment = now.timestamp()
        if _time(claims["exp"]) <= moment:
            raise Unauthorized("Token has expired")
        if max(_time(claims["iat"]), _time(claims.get("nbf", 0))) > moment + CLOCK_SKEW_S:
            raise _invalid()
        return Identity(
            f"token:{_text(claims['sub'])}",
            frozenset(_account_ids(claims.get("account_ids", []))),
            frozenset(_scopes(claims.get("scopes", []))),
            self._plan,
            Means.TOKEN,
        )

    def _verified(self, token: str) -> Mapping[str, Any]:
        if len(token) > MAX_TOKEN_LENGTH:
            raise _invalid()
        try:
            algorithm = str(jwt.get_unverified_header(token)["alg"])
            key = self._keys[algorithm]  # what the token says only chooses between keys, each good for one algorithm
            return jwt.decode(token, key, algorithms=[algorithm], options=_SIGNATURE_ONLY)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, RecursionError):
            raise _invalid() from None


def _invalid() -> Unauthorized:
    return Unauthorized("Invalid token")


def _checked_secret(secret: str) -> str:
    if "-----BEGIN" in secret:
        raise BadRequest("FANIN_JWT_SECRET holds a key in PEM; put its file into FANIN_JWT_PUBLIC_KEY")
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise BadRequest(f"FANIN_JWT_SECRET is too short to be safe: give it at least {MIN_SECRET_BYTES} bytes")
    return secret


def _checked_public_key(pem: bytes) -> RSAPublicKey:
    try:
        key = load_pem_public_key(pem)
    except Exception:  # cryptography raises what its engine raises; the reason may quote a private key
        raise BadRequest("FANIN_JWT_PUBLIC_KEY is no file with a public key in PEM") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise BadRequest(f"FANIN_JWT_PUBLIC_KEY must be an RSA key of at least {MIN_RSA_BITS} bits")
    return key


def _time(claim: Any) -> float:
    if isinstance(claim, bool) or not isinstance(claim, (int, float)) or not math.isfinite(claim):
        raise _invalid()
    return claim


def _text(claim: Any) -> str:
    if not isinstance(claim, str) or not claim or len(claim) > 200:
        raise _invalid()
    return claim


def _account_ids(claim: Any) -> list[str]:
    if not isinstance(claim, list) or not all(isinstance(item, str) and ACCOUNT_ID.fullmatch(item) for item in claim):
        raise _invalid()
    return claim


def _scopes(claim: Any) -> list[str]:
    """A list, as documented, or a text with spaces as in OAuth."""
    scopes = claim.split() if isinstance(claim, str) else claim
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise _invalid()
    return scopes
