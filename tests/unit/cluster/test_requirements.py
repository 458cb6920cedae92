"""Which requirements an environment does not meet."""

from __future__ import annotations

from importlib.metadata import version

from journeyman.cluster.requirements import unmet, without_secrets


def test_what_is_missing_or_too_old_is_told_with_what_is_there() -> None:
    numpy = version("numpy")
    lines = [
        "mlflow",
        "package-that-is-not-there>=2  # its own",
        "numpy<1",
        f"numpy=={numpy}",
        'colorama; sys_platform == "win32"',
        "-r others.txt",
        "--index-url https://example.com",
        "# a comment",
        "",
    ]
    assert unmet(lines) == ["package-that-is-not-there>=2", f"numpy<1 ({numpy} is there)"]


def test_secrets_of_addresses_are_left_out_of_a_text() -> None:
    told = without_secrets(
        "ERROR: no access to https://me:s3cret@h.example/a?token=x and git+https://t0ken@g.example/b"
    )
    assert told == "ERROR: no access to https://****@h.example/a and git+https://****@g.example/b"
    assert without_secrets("nothing: here@all") == "nothing: here@all"
