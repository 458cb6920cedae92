"""Requirements are refused where a line holds a secret, and the refusal does not repeat it."""

from __future__ import annotations

from pathlib import Path

import pytest

from journeyman.errors import SpecError
from journeyman.jobs.spec import TrainSpec
from journeyman.jobs.submit.requirements import requirements

SECRET = "hunter2-and-more"


def checked(*lines: str, file: Path | None = None) -> tuple[str, ...]:
    asked = str(file) if file else lines
    spec = TrainSpec(name="digits", entrypoint="train:loop", requirements=asked)
    return requirements(spec, Path("/nowhere"))


@pytest.mark.parametrize(
    "line",
    [
        f"--index-url https://me:{SECRET}@pypi.example/simple",
        f"--index-url=https://me:{SECRET}@pypi.example/simple",
        f"-i https://me:{SECRET}@pypi.example/simple",
        f"--extra-index-url 'https://me:{SECRET}@pypi.example/simple'",
        f"--find-links https://me:{SECRET}@pypi.example/wheels",
        f"--find-links https://me:{SECRET}/more@pypi.example/wheels".replace("/more", "%2Fmore"),
        f"--index-url https://me:{SECRET}@more@pypi.example/simple",
        f"--index-url https://me:it's{SECRET}@pypi.example/simple",
        f"--index-url HTTPS://:{SECRET}@pypi.example/simple",
        f"einops @ https://me:{SECRET}@pypi.example/einops-1.0-py3-none-any.whl",
        f"einops @ git+https://me:{SECRET}@git.example/einops.git@main#egg=einops",
        f"einops @ git+ssh://git:{SECRET}@git.example/einops.git",
        f"einops @ https://{SECRET * 2}@git.example/einops.git",
        f"--index-url https://${{NAME}}:{SECRET}@pypi.example/simple",
        f"einops @ https://pypi.example/einops.whl?X-Amz-Signature={SECRET}",
        f"--index-url https://pypi.example/simple?auth_token={SECRET}",
        f"einops @ https://blob.example/einops.whl?sv=2024&sig={SECRET}",
    ],
)
def test_line_with_a_secret_is_refused_and_not_repeated(line: str) -> None:
    with pytest.raises(SpecError) as caught:
        checked("numpy", line)
    assert SECRET not in str(caught.value)
    assert all(way in caught.value.hint for way in ("pip.conf", ".netrc", "${NAME}"))
    assert "example" in caught.value.message


@pytest.mark.parametrize("password", ["$NAME", "${name}", "${NAME}x", "%NAME%${A}", "$(NAME)"])
def test_variable_that_pip_would_not_read_is_told_from_one_that_it_does(password: str) -> None:
    with pytest.raises(SpecError, match=r"no variable as pip reads them: \$\{NAME\}, in capital letters"):
        checked(f"--index-url https://me:{password}@pypi.example/simple")


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://pypi.example/simple",
        "--index-url https://me:${PIP_TOKEN}@pypi.example/simple",
        "--index-url https://${PIP_USER}:${PIP_TOKEN}@pypi.example/simple",
        "--extra-index-url https://oauth2accesstoken@pypi.example/simple",
        "einops @ https://${PIP_TOKEN}@pypi.example/einops-1.0-py3-none-any.whl",
        "einops @ git+ssh://git@git.example/team/einops.git@v1",
        "einops @ https://pypi.example/einops-1.0-py3-none-any.whl#sha256=abcdef",
        "einops @ https://pypi.example/einops.whl?token=${PIP_TOKEN}",
        "einops>=0.8",
    ],
)
def test_line_without_a_secret_is_kept_as_it_is(line: str) -> None:
    assert checked(line) == (line,)


def test_comment_is_no_line_and_a_file_is_looked_at_as_a_list_is(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"# https://me:{SECRET}@pypi.example\neinops  # https://me:{SECRET}@pypi.example\n\n")
    assert checked(file=path) == ("einops",)
    path.write_text(f"--index-url https://me:{SECRET}@pypi.example/simple\n")
    with pytest.raises(SpecError, match=f"{path}: .*holds a password"):
        checked(file=path)
