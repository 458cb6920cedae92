"""What README.md and the guides show, typed by someone with the wheel, an empty folder and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeyman.cluster.local.parts import ray_folder
from journeyman.cluster.local.stack import observe, stop

ROOT = Path(__file__).parents[2]
GUIDES = ("README.md", "docs/protocols.md", "docs/engines.md")
"""The others ask the service that the first one leaves."""
LIMIT_S = 480.0

pytestmark = pytest.mark.own_stack


def commands() -> list[str]:
    """Those of the console blocks, but for make's, which need the checkout; of Python's, a file each."""
    typed: list[str] = []
    for guide in GUIDES:
        text = (ROOT / guide).read_text()
        for kind, block in re.findall(r"^```(console|python)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if kind == "console":
                typed += [line.removeprefix("$ ") for line in block.splitlines() if line[:2] == "$ "]
            elif guide != "README.md":
                typed.append(f"python - <<'END'\n{block}END")
    return [command for command in typed if not command.startswith("make ")]


@pytest.fixture
def folder(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder beside a fresh environment that holds the wheel; the dependencies are this one's."""
    folder = tmp_path / "empty"
    environment = folder / ".venv"
    venv.create(environment, with_pip=True)
    packages = environment / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    # A folder named so is searched, but its own links to checkouts are not followed.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True)
    # What pip would write, had it installed the dependencies here.
    program = environment / "bin" / "mlflow"
    program.write_text(f"#!{environment / 'bin' / 'python'}\nfrom mlflow.cli import cli\n\ncli()\n")
    program.chmod(0o755)
    home = tmp_path / "home"
    monkeypatch.setenv("JOURNEYMAN_HOME", str(home))
    yield folder
    stop(home)
    shutil.rmtree(ray_folder(home), ignore_errors=True)


def test_commands_of_the_readme_work_as_they_stand(folder: Path) -> None:
    script = "\n".join(["set -euo pipefail", *commands()])
    # The README shows the port that a machine with nothing else on it has.
    ask = "import json, sys; print(json.load(sys.stdin)['url'])"
    url = f'$(journeyman service digits --json | python -c "{ask}")'
    script = script.replace("http://127.0.0.1:8000/digits", url)
    grpc = url.replace("['url']", "['grpc_address']")
    script = script.replace('"127.0.0.1:9000"', "os.environ['GRPC']")
    # Within a program nothing is put in for it.
    script = script.replace('"127.0.0.1:8000/digits"', "os.environ['URL'].removeprefix('http://')")
    script = script.replace("python - <<'END'\n", f"URL={url} GRPC={grpc} python - <<'END'\nimport os\n")
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "published digits/1" in done.stdout
    assert '{"predictions":[[' in done.stdout
    assert '"model":"digits","version":"1"' in done.stdout
    assert done.stdout.count('{"predictions":[[') == 3
    assert '{"predictions": [[' in done.stdout, "by MLflow's own client"
    assert "(2, 10) from version 1" in done.stdout
    assert "[2, 10] over gRPC from version 1" in done.stdout
    assert "(3, 10) on the edge" in done.stdout
    # The wheel's own code answered, and from where it was installed.
    listed = subprocess.run(
        [folder / ".venv" / "bin" / "python", "-c", "import journeyman; print(journeyman.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.startswith(str(folder / ".venv"))
    assert [part.state for part in observe(Path(os.environ["JOURNEYMAN_HOME"])).parts] == ["up"] * 3
