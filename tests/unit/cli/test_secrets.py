"""secret: values go in, and come out to nobody."""

from __future__ import annotations

import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from journeyman.cli import app
from journeyman.cluster.settings import read_secrets, write_secret

VALUE = "hf_0123456789"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOURNEYMAN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _invoke(*arguments: str, typed: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["secret", *arguments], input=typed)
    return result.exit_code, result.stdout, result.stderr


def test_set_from_stdin_stores_the_value_for_its_owner_alone(home: Path) -> None:
    code, out, err = _invoke("set", "HF_TOKEN", typed=f"{VALUE}\n")
    assert code == 0
    assert VALUE not in out + err
    file = home / "secrets.json"
    assert json.loads(file.read_text()) == {"HF_TOKEN": VALUE}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_list_tells_names_and_no_values(home: Path) -> None:
    for name in ("WANDB_KEY", "HF_TOKEN"):
        assert _invoke("set", name, typed=VALUE)[0] == 0
    assert _invoke("list") == (0, "HF_TOKEN\nWANDB_KEY\n", "")
    code, out, _ = _invoke("list", "--json")
    assert (code, json.loads(out)) == (0, ["HF_TOKEN", "WANDB_KEY"])


def test_remove_without_a_terminal_needs_yes(home: Path) -> None:
    assert _invoke("set", "HF_TOKEN", typed=VALUE)[0] == 0
    code, _, err = _invoke("remove", "HF_TOKEN", typed="y\n")
    assert code == 2
    assert "--yes" in err
    assert _invoke("list")[1] == "HF_TOKEN\n"
    assert _invoke("remove", "HF_TOKEN", "--yes")[0] == 0
    assert json.loads((home / "secrets.json").read_text()) == {}


def test_remove_of_what_is_not_there_exits_2(home: Path) -> None:
    code, _, err = _invoke("remove", "HF_TOKEN", "--yes")
    assert code == 2
    assert err.splitlines()[0] == "no secret HF_TOKEN"


@pytest.mark.parametrize(("name", "typed"), [("HF-TOKEN", VALUE), ("", VALUE), ("HF_TOKEN", "\n")])
def test_set_of_what_cannot_be_refuses_and_stores_nothing(home: Path, name: str, typed: str) -> None:
    code, _, err = _invoke("set", name, typed=typed)
    assert code == 2
    assert len(err.splitlines()) == 2
    assert not (home / "secrets.json").exists()


def test_list_of_a_file_open_to_others_refuses(home: Path) -> None:
    assert _invoke("set", "HF_TOKEN", typed=VALUE)[0] == 0
    (home / "secrets.json").chmod(0o644)
    code, out, err = _invoke("list")
    assert (code, out) == (2, "")
    assert "chmod 600" in err


def test_secrets_that_are_set_at_once_are_all_kept(home: Path) -> None:
    names = [f"TOKEN_{number}" for number in range(16)]
    began = threading.Barrier(len(names), timeout=10)

    def set_one(name: str) -> None:
        began.wait()
        write_secret(home, name, VALUE)

    with ThreadPoolExecutor(len(names)) as people:
        list(people.map(set_one, names))
    assert read_secrets(home) == dict.fromkeys(names, VALUE)
    assert stat.S_IMODE((home / "secrets.lock").stat().st_mode) == 0o600
