"""What is written to run where Docker or Kubernetes is: every command, option, path and port in it is one of fanin's."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from fanin.catalog.limits import LOAD_LIMITS, MAX_BODY_BYTES, MAX_QUERY_STRING_BYTES
from fanin.cli import cli
from fanin.server.serving import read_proxies
from fanin.server.settings import SETTINGS, read_settings
from fanin.tests.facts import visit, write
from fanin.tests.processes import serving
from fanin.warehouse.addresses import file_of
from fanin.warehouse.clickhouse_connecting import place_of

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
KUBERNETES: dict[str, Any] = {
    part["kind"]: part for part in yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text(encoding="utf-8"))
}
NGINX = (ROOT / "deploy/nginx.conf").read_text(encoding="utf-8")
PROBES = {"/livez", "/readyz", "/health"}


def commands(command: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*name, word))


COMMANDS = dict(commands(typer.main.get_command(cli)))
VARIABLES = {
    *SETTINGS,
    *(str(option.envvar) for command in COMMANDS.values() for option in command.params if option.envvar),
}


def check_command(words: list[str]) -> None:
    """The words after ``fanin`` are a command with options of its own."""
    name = next((name for name in (tuple(words[:2]), tuple(words[:1])) if name in COMMANDS), None)
    assert name, f"there is no command {words}"
    known = {word for option in COMMANDS[name].params for word in option.opts}
    assert {word for word in words if word.startswith("--")} <= known


def check_environment(variables: Mapping[str, str]) -> None:
    """All are fanin's, and those that a server reads can be read."""
    assert {name for name in variables if name.startswith("FANIN_")} <= VARIABLES
    read_settings({name: text for name, text in variables.items() if name != "FANIN_KEYS"})
    read_proxies(variables.get("FANIN_TRUSTED_PROXIES", ""))
    assert file_of(variables["FANIN_WAREHOUSE"]) == Path("/data/fanin.duckdb")


# --- the image ----------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", DOCKERFILE))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def stages() -> list[dict[str, list[str]]]:
    found: list[dict[str, list[str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append({})
        found[-1].setdefault(word, []).append(rest)
    return found


def image_environment() -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(stages()[-1]["ENV"][0]))


def test_the_image_is_slim_has_no_sources_and_runs_as_no_one_of_consequence() -> None:
    build, image = stages()

    assert [stage["FROM"][0].split()[0] for stage in (build, image)] == ["python:3.13-slim"] * 2
    assert image["COPY"] == ["--from=build /opt/fanin /opt/fanin"]
    assert image["USER"] == ["10001:10001"]
    assert "--uid 10001" in image["RUN"][0]
    assert image["STOPSIGNAL"] == ["SIGTERM"]


def test_the_image_starts_a_server_on_the_port_it_exposes_over_the_volume_it_declares() -> None:
    image, environment = stages()[-1], image_environment()

    assert json.loads(image["ENTRYPOINT"][0]) == ["fanin"]
    check_command(json.loads(image["CMD"][0]))
    check_environment(environment)
    assert image["EXPOSE"] == [environment["FANIN_PORT"]] == ["8000"]
    assert image["VOLUME"] == image["WORKDIR"] == ["/data"]


def test_the_image_installs_extras_that_there_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extras,) = stages()[0]["ARG"]

    assert set(extras.removeprefix("EXTRAS=").split(",")) <= set(project["optional-dependencies"])
    assert '".[$EXTRAS]"' in stages()[0]["RUN"][0]


@pytest.mark.slow
def test_the_health_check_says_yes_of_a_server_and_no_of_none(tmp_path: Path) -> None:
    write(tmp_path / "fanin.duckdb", "acme", [visit()])
    (check,) = stages()[-1]["HEALTHCHECK"]
    program, *words = json.loads(check.partition("CMD ")[2])
    assert program == "python"

    def healthy(port: int) -> bool:
        environment = {"FANIN_PORT": str(port)}
        done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, check=False)
        return done.returncode == 0

    with serving(tmp_path) as server:
        told = [healthy(server.port)]
        port = server.port
    told.append(healthy(port))

    assert told == [True, False]


def admitted(path: str) -> bool:
    """Whether ``.dockerignore`` lets a file into the build: the last pattern that fits it, or a folder of it, decides."""
    admits = True
    folders = [path, *(str(folder) for folder in Path(path).parents)]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern, negated = line.removeprefix("!"), line.startswith("!")
        if pattern.startswith("**/"):
            fits = any(fnmatch.fnmatchcase(part, pattern[3:]) for part in Path(path).parts)
        else:
            fits = any(name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern) for name in folders)
        admits = negated if fits else admits
    return admits


def test_the_image_is_built_of_all_that_the_wheel_is_made_of_and_nothing_else() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = [name.partition(".")[2].replace(".", "/") for name in project["tool"]["setuptools"]["packages"]]
    needed = {
        *(path for path in tracked if any(path.startswith(f"{folder}/") for folder in packages if folder)),
        *(path for path in tracked if "/" not in path and path.endswith(".py")),
        *project["project"]["license-files"],
        *("pyproject.toml", "README.md", "py.typed", "MANIFEST.in"),
    }

    assert {path for path in needed if not admitted(path)} == set()
    assert {path for path in tracked if admitted(path)} - needed == {"schema.graphql"}
    private = (".git/config", "var/fanin.duckdb", "fanin.keys.json", ".venv/bin/python", "tests/facts.py", "a.duckdb")
    assert [path for path in private if admitted(path)] == []
    assert not admitted("server/__pycache__/keys.cpython-313.pyc")


# --- compose ------------------------------------------------------------------------------------------------------

SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") == "fanin"}


def resolved(text: str) -> str:
    """A value where no variable is set."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)


def test_compose_has_two_gateways_alike_a_balancer_and_what_they_share() -> None:
    assert set(SERVICES) == {"demo", "tables", "gateway-1", "gateway-2", "nginx", "valkey", "clickhouse"}
    assert SERVICES["gateway-1"] == SERVICES["gateway-2"]
    assert set(OURS) == {"demo", "tables", "gateway-1", "gateway-2"}


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_compose_is_a_command_with_settings_that_there_are(name: str) -> None:
    service = OURS[name]

    check_command(service["command"])
    check_environment({key: resolved(str(text)) for key, text in service["environment"].items()})
    assert [volume.split(":")[:2] for volume in service["volumes"]] == [["facts", "/data"]]


def test_the_gateways_of_compose_write_nothing_and_share_through_a_service_that_there_is() -> None:
    gateway = SERVICES["gateway-1"]
    stores = {gateway["environment"][name] for name in ("FANIN_RATE_LIMIT_STORE", "FANIN_CACHE_STORE")}

    assert (gateway["read_only"], gateway["volumes"], gateway["cap_drop"]) == (True, ["facts:/data:ro"], ["ALL"])
    assert stores == {"redis://valkey:6379/0", "redis://valkey:6379/1"}
    patience = int(gateway["stop_grace_period"].removesuffix("s"))
    assert patience > sum(int(gateway["environment"][f"FANIN_{name}_SECONDS"]) for name in ("DRAIN", "GRACE"))


def test_the_warehouse_of_the_profile_is_a_service_with_that_database_and_those_credentials() -> None:
    (address,) = re.findall(r"FANIN_WAREHOUSE=(clickhouse://\S+)", (ROOT / "compose.yaml").read_text(encoding="utf-8"))
    given = SERVICES["clickhouse"]["environment"]

    assert address == (
        f"clickhouse://{given['CLICKHOUSE_USER']}:{given['CLICKHOUSE_PASSWORD']}@clickhouse:8123/{given['CLICKHOUSE_DB']}"
    )
    assert place_of(address).host == "clickhouse"
    assert SERVICES["tables"]["profiles"] == SERVICES["clickhouse"]["profiles"] == ["clickhouse"]


def test_what_compose_names_is_declared() -> None:
    volumes = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if volume[0] != "."
    }
    networks = {name for service in SERVICES.values() for name in service.get("networks", ())}
    waited_for = {name for service in SERVICES.values() for name in service.get("depends_on", {})}
    files = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if volume[0] == "."
    }

    assert volumes == set(COMPOSE["volumes"])
    assert networks == set(COMPOSE["networks"])
    assert waited_for <= set(SERVICES)
    assert all((ROOT / file).is_file() for file in files)
    trusted = SERVICES["gateway-1"]["environment"]["FANIN_TRUSTED_PROXIES"]
    assert [COMPOSE["networks"]["inside"]["ipam"]["config"][0]["subnet"]] == [trusted]


def test_compose_and_nginx_agree_on_names_and_ports() -> None:
    assert set(re.findall(r"server (gateway-\d):8000 ", NGINX)) == {name for name in SERVICES if "gateway" in name}
    (listening,) = re.findall(r"listen (\d+);", NGINX)
    assert SERVICES["nginx"]["ports"] == [f"8000:{listening}"]


def test_nginx_lets_through_what_a_gateway_would_take() -> None:
    (body,) = re.findall(r"client_max_body_size (\d+)m;", NGINX)
    (header,) = re.findall(r"large_client_header_buffers 4 (\d+)k;", NGINX)

    assert int(body) * 1024 * 1024 > MAX_BODY_BYTES
    assert int(header) * 1024 > MAX_QUERY_STRING_BYTES


def test_nginx_lets_go_of_an_idle_connection_before_a_gateway_does() -> None:
    (seconds,) = re.findall(r"keepalive_timeout (\d+)s;", NGINX)

    assert int(seconds) * 1_000 < LOAD_LIMITS["idle_ms"][0]


# --- Kubernetes ---------------------------------------------------------------------------------------------------

POD = KUBERNETES["Deployment"]["spec"]["template"]["spec"]
(GATEWAY,) = POD["containers"]


def test_a_pod_is_a_command_with_settings_that_there_are() -> None:
    check_command(GATEWAY["args"])
    check_environment(KUBERNETES["ConfigMap"]["data"])
    assert [GATEWAY["envFrom"][0]["configMapRef"]["name"]] == [KUBERNETES["ConfigMap"]["metadata"]["name"]]
    assert str(GATEWAY["ports"][0]["containerPort"]) == image_environment()["FANIN_PORT"]


def test_a_pod_is_probed_where_there_are_probes_and_restarted_only_for_itself() -> None:
    probes = {name: GATEWAY[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert set(probes.values()) <= PROBES
    assert probes == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert GATEWAY["readinessProbe"]["timeoutSeconds"] > 2  # the warehouse has so long to answer


def test_a_pod_has_time_to_leave() -> None:
    settings = KUBERNETES["ConfigMap"]["data"]
    _, waits = GATEWAY["lifecycle"]["preStop"]["exec"]["command"]
    drain, grace = (int(settings[f"FANIN_{name}_SECONDS"]) for name in ("DRAIN", "GRACE"))

    assert POD["terminationGracePeriodSeconds"] > int(waits) + drain + grace + 2


def test_a_pod_may_do_nothing_but_serve() -> None:
    mounts = {mount["name"]: (mount["mountPath"], mount.get("readOnly", False)) for mount in GATEWAY["volumeMounts"]}

    assert POD["securityContext"]["runAsUser"] == int(stages()[-1]["USER"][0].split(":")[0])
    assert POD["securityContext"]["runAsNonRoot"]
    assert GATEWAY["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert mounts == {"facts": ("/data", True), "keys": ("/keys", True), "scratch": ("/tmp", False)}  # noqa: S108
    assert set(mounts) == {volume["name"] for volume in POD["volumes"]}
    assert KUBERNETES["ConfigMap"]["data"]["FANIN_KEYS"] == "/keys/keys.json"
    assert set(GATEWAY["resources"]) == {"requests", "limits"}


def test_the_parts_of_the_manifests_find_each_other() -> None:
    labels = KUBERNETES["Deployment"]["spec"]["template"]["metadata"]["labels"]

    assert set(KUBERNETES) == {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget"}
    assert KUBERNETES["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert KUBERNETES["Service"]["spec"]["selector"] == labels
    assert KUBERNETES["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert KUBERNETES["Service"]["spec"]["ports"][0]["targetPort"] == GATEWAY["ports"][0]["name"]
