"""What a server is told from outside, read from the environment.  ``fanin serve`` puts its options there.

Secrets have no ``repr``, and no command-line option, because every user of a machine sees every command line; the key of
an upstream has one for trying things out, which says so.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..catalog.accounts import Account
from ..catalog.errors import BadRequest
from ..catalog.limits import DOCUMENT_LIMITS, LOAD_LIMITS, DocumentRules, defaults_of
from ..catalog.plans import ANONYMOUS, DEFAULT_PLAN, PLANS
from ..warehouse.addresses import DEFAULT_ADDRESS, is_upstream
from ..warehouse.upstream_options import Upstream, read_accounts
from .keys import keys_file_of
from .persisted_queries import KeptQueries, ListedQueries, NoQueries, PersistedQueries, read_manifest

WAREHOUSE = "FANIN_WAREHOUSE"
SEGMENTS = "FANIN_SEGMENTS"
HOST = "FANIN_HOST"
INSECURE = "FANIN_INSECURE"
KEYS = "FANIN_KEYS"
JWT_SECRET = "FANIN_JWT_SECRET"  # noqa: S105  a variable's name
JWT_PUBLIC_KEY = "FANIN_JWT_PUBLIC_KEY"
JWT_PLAN = "FANIN_JWT_PLAN"
RATE_LIMIT = "FANIN_RATE_LIMIT"
RATE_LIMIT_STORE = "FANIN_RATE_LIMIT_STORE"
RATE_LIMIT_STORE_AWAY = "FANIN_RATE_LIMIT_STORE_AWAY"
CACHE_STORE = "FANIN_CACHE_STORE"
CORS_ORIGINS = "FANIN_CORS_ORIGINS"
ALLOWED_HOSTS = "FANIN_ALLOWED_HOSTS"
TRUSTED_PROXIES = "FANIN_TRUSTED_PROXIES"
DRAIN_SECONDS = "FANIN_DRAIN_SECONDS"
GRACE_SECONDS = "FANIN_GRACE_SECONDS"
PERSISTED_QUERIES = "FANIN_PERSISTED_QUERIES"
PRODUCTION = "FANIN_PRODUCTION"
GRAPHQL_LIMITS = "FANIN_GRAPHQL_LIMITS"
GRAPHQL_GUARD = "FANIN_GRAPHQL_GUARD"
LOAD = "FANIN_LOAD_LIMITS"
CACHE_MB = "FANIN_CACHE_MB"
CUBE_MB = "FANIN_CUBE_MB"
BLOCK_MB = "FANIN_BLOCK_MB"
UPSTREAM_KEY = "FANIN_UPSTREAM_KEY"
UPSTREAM_CREDENTIALS = "FANIN_UPSTREAM_CREDENTIALS"
UPSTREAM_ACCOUNTS = "FANIN_UPSTREAM_ACCOUNTS"
UPSTREAM_TIMEOUT_S = "FANIN_UPSTREAM_TIMEOUT_S"
UPSTREAM_CONNECTIONS = "FANIN_UPSTREAM_CONNECTIONS"
LOG_FORMAT = "FANIN_LOG_FORMAT"
LOG_LEVEL = "FANIN_LOG_LEVEL"
METRICS_PORT = "FANIN_METRICS_PORT"
METRICS_TOKEN = "FANIN_METRICS_TOKEN"  # noqa: S105  a variable's name
TRACES = "FANIN_TRACES"

SETTINGS: dict[str, str] = {
    SEGMENTS: "a TOML file of saved segments",
    KEYS: "the file of API keys; beside the warehouse unless said",
    JWT_SECRET: "the secret that access tokens are signed with (HS256), 32 bytes or more",
    JWT_PUBLIC_KEY: "a file with the public key that access tokens are signed for (RS256), in PEM",
    JWT_PLAN: f"the plan of callers with an access token: {', '.join(PLANS)}; {DEFAULT_PLAN} unless said",
    RATE_LIMIT: f"requests per minute and address for callers without a key; {ANONYMOUS.requests} unless said, and "
    "none on a loopback host that is open",
    RATE_LIMIT_STORE: "where several processes count together: redis://host:6379/0",
    RATE_LIMIT_STORE_AWAY: "what happens while that store cannot be reached: open lets each process count for itself, closed "
    "answers 503; open unless said",
    CACHE_STORE: "where several processes keep answers together: redis://host:6379/0",
    CORS_ORIGINS: "origins whose pages may ask, joined by commas, or *",
    ALLOWED_HOSTS: "names the server goes by beside those of the loopback, joined by commas, such as *.example.com, or *; "
    "unless said, any name will do except on a loopback host that is open",
    TRUSTED_PROXIES: "addresses and networks, joined by commas, whose X-Forwarded-For and -Proto are believed; none unless said",
    DRAIN_SECONDS: "seconds that a server asked to stop serves on while /readyz says no; 0 unless said",
    GRACE_SECONDS: "seconds that requests under way then have to finish; 10 unless said",
    PERSISTED_QUERIES: "a manifest (JSON) of the only GraphQL documents that may be run, or off to keep none that callers send",
    PRODUCTION: "1 tells GraphQL callers no more than they ask: no introspection, no suggestions, no GraphiQL, no costs",
    GRAPHQL_LIMITS: "limits of a GraphQL document that differ, such as max_depth=15,max_aliases=200",
    GRAPHQL_GUARD: "measure logs a document over a limit and executes it; enforce refuses it",
    LOAD: "limits of the load that each process takes which differ, such as max_running=64,deadline_ms=30000",
    CACHE_MB: "megabytes of answers each process keeps; 64 unless said, 0 keeps none",
    CUBE_MB: "megabytes of roll-ups each process holds in memory; 96 unless said, 0 holds none",
    BLOCK_MB: "megabytes of rows each process holds for filtered questions; 40 unless said, 0 holds none",
    UPSTREAM_KEY: "the API key that an upstream API is asked with, or `Bearer` and a token",
    UPSTREAM_CREDENTIALS: "own asks an upstream API with that key, caller with what each caller shows, which the upstream "
    "then judges; own unless said",
    UPSTREAM_ACCOUNTS: "the accounts of an upstream API, such as acme=Europe/Madrid:EUR,blog; unless said, whichever it "
    "answers for, with days in UTC",
    UPSTREAM_TIMEOUT_S: "seconds that an upstream API may take to answer, asking again included; 30 unless said",
    UPSTREAM_CONNECTIONS: "connections to an upstream API at one moment; 8 unless said",
    LOG_FORMAT: "text or json; text unless said",
    LOG_LEVEL: "what is logged: debug, info, warning or error; info unless said, which is a line for each request",
    METRICS_PORT: "a port of its own for /metrics, beside which the server's own address has none",
    METRICS_TOKEN: "what /metrics is asked for with, as a bearer token; unless said a key for all accounts, where keys are",
    TRACES: "1 records traces by OpenTelemetry, sent where its own OTEL_ variables say",
}

# Whole megabytes unless said.
_MEGABYTES = {CACHE_MB: 64, CUBE_MB: 96, BLOCK_MB: 40}

# A browser's Origin header: scheme, host and perhaps a port, and nothing behind.
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")
# A host's name, all names below one, or an address; without a port.
_HOST = re.compile(r"\*|(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[?[0-9A-Fa-f:]+\]?")
LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")

_TRUE = {"1", "true", "yes", "on"}


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Who is asked for credentials, who is counted, which pages may ask, and what.

    The defaults make an open, uncounted app that answers to any name.
    """

    keys_file: Path | None = None
    jwt_secret: str = field(default="", repr=False)
    jwt_public_key: bytes = field(default=b"", repr=False)
    jwt_plan: str = DEFAULT_PLAN
    may_be_open: bool = True  # as long as there are no keys and no tokens
    open_limit: int | None = None  # requests per minute and address of an open server; None counts no one
    rate_limit_store: str = field(default="", repr=False)  # its address may hold a password
    rate_limits_fail_closed: bool = False
    cache_store: str = field(default="", repr=False)  # so may this one
    cors_origins: tuple[str, ...] = ()
    on_loopback: bool = False  # so that, while it is open, only loopback names and the allowed ones will do
    allowed_hosts: tuple[str, ...] = ()
    persisted_queries: PersistedQueries = field(default_factory=KeptQueries)
    upstream: Upstream | None = None  # None: the warehouse is none
    production: bool = False
    documents: DocumentRules = field(default_factory=DocumentRules)
    load: Mapping[str, int] = field(default_factory=lambda: defaults_of(LOAD_LIMITS))
    log_format: str = "text"
    log_level: str = "info"
    metrics_port: int | None = None  # None: at the server's own address
    metrics_token: str = field(default="", repr=False)
    traces: bool = False

    @property
    def passes_credentials(self) -> bool:
        """Whether an upstream judges what callers show, in our place."""
        return self.upstream is not None and self.upstream.passes_credentials

    @property
    def has_tokens(self) -> bool:
        return bool(self.jwt_secret or self.jwt_public_key)


def read_settings(environment: Mapping[str, str] | None = None) -> ServerSettings:
    """The settings of the environment.  Raises ``BadRequest`` naming the variable that is wrong.

    A server that was not told its host cannot know who reaches it, so it is not open.
    """
    given = os.environ if environment is None else environment
    keys = given.get(KEYS) or ""
    on_loopback = is_loopback(given.get(HOST, ""))
    unlimited = None if on_loopback else ANONYMOUS.requests
    production = given.get(PRODUCTION, "").lower() in _TRUE
    return ServerSettings(
        keys_file=Path(keys) if keys else keys_file_of(given.get(WAREHOUSE) or DEFAULT_ADDRESS),
        jwt_secret=given.get(JWT_SECRET, ""),
        jwt_public_key=_file(given.get(JWT_PUBLIC_KEY, ""), JWT_PUBLIC_KEY),
        jwt_plan=_plan(given.get(JWT_PLAN) or DEFAULT_PLAN),
        may_be_open=on_loopback or given.get(INSECURE, "").lower() in _TRUE,
        open_limit=_whole_number(given[RATE_LIMIT], RATE_LIMIT) if given.get(RATE_LIMIT) else unlimited,
        rate_limit_store=given.get(RATE_LIMIT_STORE, ""),
        rate_limits_fail_closed=_one_of(
            ("open", "closed"), given.get(RATE_LIMIT_STORE_AWAY) or "open", RATE_LIMIT_STORE_AWAY
        )
        == "closed",
        cache_store=given.get(CACHE_STORE, ""),
        cors_origins=_origins(given.get(CORS_ORIGINS, "")),
        on_loopback=on_loopback,
        allowed_hosts=_hosts(given.get(ALLOWED_HOSTS, "")),
        persisted_queries=_persisted_queries(given.get(PERSISTED_QUERIES, "")),
        upstream=read_upstream(given) if is_upstream(given.get(WAREHOUSE, "")) else None,
        production=production,
        documents=DocumentRules(
            limits=_limits(given.get(GRAPHQL_LIMITS, ""), DOCUMENT_LIMITS, GRAPHQL_LIMITS),
            enforced=_enforced(given.get(GRAPHQL_GUARD) or "enforce"),
            introspection=not production,
            suggestions=not production,
        ),
        load=_limits(given.get(LOAD, ""), LOAD_LIMITS, LOAD),
        log_format=_one_of(LOG_FORMATS, given.get(LOG_FORMAT) or "text", LOG_FORMAT),
        log_level=_one_of(LOG_LEVELS, (given.get(LOG_LEVEL) or "info").lower(), LOG_LEVEL),
        metrics_port=_port(given[METRICS_PORT], METRICS_PORT) if given.get(METRICS_PORT) else None,
        metrics_token=given.get(METRICS_TOKEN, "").strip(),
        traces=given.get(TRACES, "").lower() in _TRUE,
    )


def room_bytes(variable: str, environment: Mapping[str, str] | None = None) -> int:
    """How much memory the environment gives to what ``variable`` names.  Raises ``BadRequest`` naming the variable."""
    text = (os.environ if environment is None else environment).get(variable) or str(_MEGABYTES[variable])
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise BadRequest(f"{variable} must be a whole number of megabytes, got '{text[:40]}'")
    return int(text) * 1_000_000


def read_upstream(environment: Mapping[str, str] | None = None) -> Upstream:
    """How an upstream API is asked.  Raises ``BadRequest`` naming the variable that is wrong."""
    given = os.environ if environment is None else environment
    key, whose = given.get(UPSTREAM_KEY, "").strip(), given.get(UPSTREAM_CREDENTIALS) or "own"
    if whose not in ("own", "caller"):
        raise BadRequest(f"{UPSTREAM_CREDENTIALS}: '{whose[:40]}' is none of own, caller")
    if key and whose == "caller":
        raise BadRequest(f"{UPSTREAM_CREDENTIALS} is caller and {UPSTREAM_KEY} is set; only one of them can be used")
    if not (key.isascii() and key.isprintable()):
        raise BadRequest(f"{UPSTREAM_KEY} holds letters that no header can")
    return Upstream(
        key=key,
        passes_credentials=whose == "caller",
        accounts=_upstream_accounts(given.get(UPSTREAM_ACCOUNTS, "")),
        answer_s=_whole_number(given.get(UPSTREAM_TIMEOUT_S) or "30", UPSTREAM_TIMEOUT_S),
        connections=_whole_number(given.get(UPSTREAM_CONNECTIONS) or "8", UPSTREAM_CONNECTIONS),
    )


def _upstream_accounts(text: str) -> tuple[Account, ...]:
    try:
        return read_accounts(text)
    except BadRequest as error:
        raise BadRequest(f"{UPSTREAM_ACCOUNTS}: {error.message}") from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server on that host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _file(name: str, variable: str) -> bytes:
    try:
        return Path(name).read_bytes() if name else b""
    except OSError as error:
        raise BadRequest(f"{variable}: {name} cannot be read: {error.strerror}") from None


def _plan(name: str) -> str:
    if name not in PLANS:
        raise BadRequest(f"{JWT_PLAN}: '{name[:40]}' is no plan; accepted: {', '.join(PLANS)}")
    return name


def _whole_number(text: str, variable: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise BadRequest(f"{variable} must be a whole number from 1, got '{text[:40]}'")
    return int(text)


def _one_of(words: tuple[str, ...], word: str, variable: str) -> str:
    if word not in words:
        raise BadRequest(f"{variable}: '{word[:40]}' is none of {', '.join(words)}")
    return word


def _port(text: str, variable: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise BadRequest(f"{variable} must be a port from 0 to 65535, got '{text[:40]}'")
    return int(text)


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(dict.fromkeys(word.strip().rstrip("/") for word in text.split(",") if word.strip()))
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise BadRequest(f"{CORS_ORIGINS}: '{origin[:80]}' is no origin such as https://dashboard.example")
    return origins


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise BadRequest(f"{ALLOWED_HOSTS}: '{host[:80]}' is no name of a host such as stats.example.com")
    return tuple(host.strip("[]").lower() for host in hosts)


def _persisted_queries(text: str) -> PersistedQueries:
    if text.lower() == "off":
        return NoQueries()
    try:
        return ListedQueries(read_manifest(Path(text))) if text else KeptQueries()
    except BadRequest as error:
        raise BadRequest(f"{PERSISTED_QUERIES}: {error.message}") from None


def _limits(text: str, table: Mapping[str, tuple[int, str]], variable: str) -> dict[str, int]:
    """The limits of a table, with those of the text instead."""
    limits = defaults_of(table)
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, value = word.partition("=")
        if name not in limits:
            raise BadRequest(f"{variable}: '{name[:40]}' is no limit; accepted: {', '.join(limits)}")
        limits[name] = _whole_number(value, f"{variable}: {name}")
    return limits


def _enforced(mode: str) -> bool:
    if mode not in ("enforce", "measure"):
        raise BadRequest(f"{GRAPHQL_GUARD}: '{mode[:40]}' is no mode; accepted: enforce, measure")
    return mode == "enforce"
