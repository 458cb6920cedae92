"""Private names of MLflow's PyTorch flavor: its proof that a `pt2` archive unpickles nothing.

Tested with MLflow 3.17. MLflow proves it by itself where it loads the archive; where the name is gone,
nothing is exported or compiled.
"""

from __future__ import annotations

from pathlib import Path

from mlflow.pytorch import _validate_pt2_archive_is_pickle_free


def prove_pickle_free(archive: Path) -> None:
    """Raises MlflowException where the archive holds a pickle."""
    _validate_pt2_archive_is_pickle_free(str(archive))
