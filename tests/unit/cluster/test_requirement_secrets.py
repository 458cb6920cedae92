"""Requirements are refused where a line holds a secret, and the refusal does not repeat it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from journeyman.cluster.requirement_lines import requirement_lines
from journeyman.cluster.requirements import why_secret
from journeyman.errors import SpecError

SECRET = "hunter2-and-more"


def checked(*lines: str, file: Path | None = None) -> tuple[str, ...]:
    return requirement_lines(str(file) if file else lines, Path("/nowhere"))


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
        f"einops @ https://blob.example/einops.whl?sv=2024;token={SECRET}",
        f"einops @ https://blob.example/einops.whl#token={SECRET}",
        # No addresses for pip, and stored all the same.
        f"--index-url https://me:/{SECRET}@pypi.example/simple",
        f"--index-url https://me:12/{SECRET}@pypi.example/simple",
        f"--index-url https://me:{SECRET}/more@pypi.example/simple",
        f"--index-url https://me:{SECRET}?more@pypi.example/simple",
        f"--index-url https://me:{SECRET}#more@pypi.example/simple",
        f"--index-url https://me:{SECRET}%40pypi.example/simple",
        f"--index-url https://me%3A{SECRET}@pypi.example/simple",
        f"--index-url https://me%3A{SECRET}%40pypi.example/simple",
        f"--index-url https%3A//me:{SECRET}@pypi.example/simple",
        f"--index-url https:%2F%2Fme:{SECRET}@pypi.example/simple",
        f"--index-url https:/me:{SECRET}@pypi.example/simple",
        f"--index-url me:{SECRET}@pypi.example/simple",
        f"--index-url https://me\uff1a{SECRET}@pypi.example/simple",
        f"--index-url https://me:{SECRET}\uff20pypi.example/simple",
        f"--index-url https\uff1a//me:{SECRET}@pypi.example/simple --find-links https://pypi.example",
        f"--index-url=me:{SECRET}@pypi.example/simple",
        f"einops @ https://ghp_{SECRET}@github.example/einops.git",
    ],
)
def test_line_with_a_secret_is_refused_and_not_repeated(line: str) -> None:
    with pytest.raises(SpecError) as caught:
        checked("numpy", line)
    assert SECRET not in str(caught.value)
    assert all(way in caught.value.hint for way in ("pip.conf", ".netrc", "${NAME}"))
    assert re.split("[ =]", line)[0] in caught.value.message


@pytest.mark.parametrize(
    "token",
    [
        "ghp_x",
        "gho_16C7e42F292c6912E7",
        "github_pat_1",
        "glpat-x",
        "dckr_pat_x",
        "npm_x",
        "ghp%5Fx",
        "a1B2c3D4e5",
        "0a1b2c3d4e5f",
    ],
)
def test_short_token_in_the_place_of_a_name_is_refused(token: str) -> None:
    with pytest.raises(SpecError, match=r"'einops @ git\+https://…' holds a token"):
        checked(f"einops @ git+https://{token}@github.example/team/einops.git")
    assert checked(f"einops @ git+ssh://{token}@git.example/einops.git")


HOSTS = st.from_regex(r"\A[a-z][a-z0-9-]{0,8}(\.[a-z]{2,6}){1,2}(:[1-9][0-9]{1,3})?\Z")
NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9._-]{0,10}\Z")
# What a line keeps: blanks are put together before, and a `#` behind one begins a comment.
PASSWORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=24)
PATHS = st.from_regex(r"\A[a-z0-9._+-]{1,8}(/[a-z0-9._+-]{1,8}){0,2}(@[a-z0-9._-]{1,8})?(#egg=[a-z]{1,8})?\Z")


@pytest.mark.parametrize("line", ["--index-url {}", "einops @ {}", "einops @ git+{}"])
@given(name=NAMES, password=PASSWORDS, host=HOSTS, path=PATHS, encoded=st.booleans())
def test_address_with_any_password_is_refused_and_without_one_is_not(
    line: str, name: str, password: str, host: str, path: str, encoded: bool
) -> None:
    assume(not re.fullmatch(r"\$\{[A-Z0-9_]+\}", password))
    told = quote(password, safe="") if encoded else password
    assert why_secret(line.format(f"https://{name}:{told}@{host}/{path}"))
    assert why_secret(line.format(f"https://{name}:${{A_NAME}}@{host}/{path}")) == ""
    assert why_secret(line.format(f"https://{host}/{path}")) == ""


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
        "einops>=0.8 --hash=sha256:0123456789abcdef",
        "--index-url https://alice2@pypi.example/simple",
        "--index-url https://JohnDoe1985@pypi.example/simple",
        "--index-url https://VssSessionToken@pkgs.example/simple",
        "--index-url https://[::1]:8080/simple",
        "--index-url https://pypi.example:${PORT}/simple",
        "einops @ https://host/a@1.0.tar.gz",
        "einops @ https://host:8080/a@1.0.tar.gz",
        "einops @ https://host.example:8080/team/einops@1.0.tar.gz",
        "einops @ https://host.example:8080/me%40team.example/einops.whl",
        "einops @ git+https://gitea:3000/team/einops.git@feature/branch",
        "einops @ git+https://git.example/team/einops.git@v1.0#subdirectory=token",
        "git+ssh://git@github.com/team/einops.git@main#egg=einops",
        "git+https://${GITHUB_TOKEN}@github.com/team/einops.git",
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
