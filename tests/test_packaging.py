"""Wheel and sdist are complete: what is built installs in a fresh environment and serves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path | None = None, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False)


def tracked() -> list[str]:
    """Every file of the project: those git tracks, or, unpacked from an sdist, those that are there."""
    listed = run("git", "ls-files", cwd=ROOT)
    if listed.returncode != 0:
        pytest.skip("not a git checkout, so there is no list of files to compare with")
    return listed.stdout.split()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel made from it."""
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    if done.returncode != 0 and "Could not find a version" in done.stdout + done.stderr:
        pytest.skip("the package index cannot be reached, so nothing can be built")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def the_file(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_the_packages_are_the_folders_of_the_tree() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {".".join(["fanin", *Path(name).parent.parts]) for name in tracked() if Path(name).name == "__init__.py"}

    assert set(listed) == folders


def test_the_wheel_holds_every_module_static_file_and_list(built: Path) -> None:
    with zipfile.ZipFile(the_file(built, "*.whl")) as wheel:
        inside = set(wheel.namelist())

    rooms = ("catalog/", "warehouse/", "ingest/", "resolvers/", "schema/", "rest_compat/", "server/")
    wanted = {f"fanin/{name}" for name in tracked() if name.startswith(rooms)}
    wanted |= {f"fanin/{name}" for name in ("__init__.py", "__main__.py", "app.py", "cli.py", "py.typed")}
    assert wanted - inside == set()
    assert not any(name.startswith(("fanin/tests", "fanin/samples", "fanin/benchmarks")) for name in inside)


def test_the_sdist_holds_all_that_is_needed_to_work_on_it(built: Path) -> None:
    with tarfile.open(the_file(built, "*.tar.gz")) as sdist:
        inside = {name.partition("/")[2] for name in sdist.getnames()}

    assert {name for name in tracked() if not name.startswith(".git")} - inside == set()


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``fanin`` command of a fresh environment that has nothing but the wheel and what it asks for."""
    environment = tmp_path_factory.mktemp("venv")
    assert run(sys.executable, "-m", "venv", environment).returncode == 0
    python = environment / "bin" / "python"
    done = run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", the_file(built, "*.whl"))
    if done.returncode != 0 and "Could not find a version" in done.stderr:
        pytest.skip("the package index cannot be reached, so the wheel's dependencies cannot be installed")
    assert done.returncode == 0, done.stderr[-2000:]
    return environment / "bin" / "fanin"


def test_the_installed_wheel_imports_a_log_and_serves(installed: Path, tmp_path: Path) -> None:
    log = ROOT / "samples" / "blog-apache-access-2015-05.log.gz"
    rules = ROOT / "samples" / "blog.toml"
    done = run(installed, "import", log, "--account", "blog", "--goals", rules, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sessions"] == 1009

    environment = {name: value for name, value in os.environ.items() if not name.startswith("FANIN_")}
    server = subprocess.Popen(
        [str(installed), "serve", "--port", "0"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert server.stderr is not None
        address = server.stderr.readline().rsplit(" ", 1)[1].strip()
        params = {"account_id": "blog", "start_date": "2015-05-17", "end_date": "2015-05-20"}
        body = {"queries": [{"id": "q", "endpoint": "/stats/overview", "params": params}]}
        request = urllib.request.Request(f"{address}/api/v1/batch", json.dumps(body).encode())  # noqa: S310  # ours
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  # ours
            answer = json.load(response)
        with urllib.request.urlopen(f"{address}/health", timeout=30) as response:  # noqa: S310  # ours
            assert json.load(response) == {"status": "ok", "accounts": 1}
        assert answer["results"]["q"]["data"]["traffic"]["entrances"] == 1009
    finally:
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=30)
    assert "Traceback" not in said
