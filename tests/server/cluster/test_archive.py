"""What of Journeyman a cluster is sent: whole, and the same each time."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

from journeyman.cluster.archive import own_archive

LOOK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from importlib.metadata import distribution
import journeyman.jobs.driver.main, journeyman.serve.replica.replica
found = distribution("journeyman")
plugins = [each.name for each in found.entry_points if each.group == "mlflow.tracking_store"]
print(json.dumps([journeyman.__file__, found.version, str(found.locate_file("")), sorted(plugins)]))
"""


def test_archive_is_the_package_as_it_would_be_installed(tmp_path: Path) -> None:
    sent = own_archive()
    assert own_archive() == sent
    with zipfile.ZipFile(io.BytesIO(sent.content)) as zipped:
        zipped.extractall(tmp_path)
    command = [sys.executable, "-W", "ignore", "-c", LOOK, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file, installed, place, plugins = json.loads(done.stdout.splitlines()[-1])
    assert file == str(tmp_path / "journeyman" / "__init__.py")
    assert (installed, Path(place)) == (version("journeyman"), tmp_path)
    assert plugins == ["http", "https"]
    assert (tmp_path / "journeyman" / "cli" / "templates" / "train.yaml").is_file()
