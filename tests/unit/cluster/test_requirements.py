"""Which requirements an environment does not meet."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from journeyman.cluster.requirements import unmet, why_not_installed, without_secrets


def test_what_is_missing_or_too_old_is_told_with_what_is_there() -> None:
    numpy = version("numpy")
    lines = [
        "mlflow",
        "package-that-is-not-there>=2  # its own",
        "Package_That.is-not-there",
        "other-that-is-not-there",
        "other_that_is_not_there[fast]==1.5",
        "third-not-there @ https://me:s3cret@example.org/third-1.0.zip",
        "numpy<1",
        f"numpy=={numpy}",
        'colorama; sys_platform == "win32"',
        "-r others.txt",
        "--index-url https://example.com",
        "# a comment",
        "",
    ]
    found = unmet(lines)
    assert found.missing == (
        "package-that-is-not-there>=2",
        "other_that_is_not_there[fast]==1.5",
        "third-not-there @ https://****@example.org/third-1.0.zip",
    )
    assert found.other == (f"numpy<1 ({numpy} is there)",)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "RuntimeEnvSetupError: Failed\n  Looking in indexes: https://pypi.org\n    ERROR: No matching "
            "distribution found for nothing-such\n    ERROR: another\n",
            "its requirements cannot be installed: No matching distribution found for nothing-such",
        ),
        (
            "Last 50 lines:\n  ERROR: Exception:\n  Traceback (most recent call last):\n"
            '    File "pip/x.py", line 3, in f\n      assert name == other, "for wheel: why"\n'
            "    AssertionError: 'a' != 'b' for wheel\n",
            "its requirements cannot be installed: AssertionError: 'a' != 'b' for wheel",
        ),
        (
            "ERROR: HTTP error 404 while getting https://me:s3cret@h.example/a.whl\n",
            "its requirements cannot be installed: HTTP error 404 while getting https://****@h.example/a.whl",
        ),
        ("The deployment failed to start 3 times in a row", ""),
        ("ERROR: Exception:\n", ""),
    ],
)
def test_what_pip_says_is_found_in_what_ray_says(message: str, told: str) -> None:
    assert why_not_installed(message) == told


def test_secrets_of_addresses_are_left_out_of_a_text() -> None:
    told = without_secrets(
        "ERROR: no access to https://me:s3cret@h.example/a?token=x and git+https://t0ken@g.example/b"
    )
    assert told == "ERROR: no access to https://****@h.example/a and git+https://****@g.example/b"
    assert without_secrets("nothing: here@all") == "nothing: here@all"
