"""MLflow's application behind the guard: `mlflow server --app-name journeyman` (entry point `mlflow.app`)"""

from __future__ import annotations

import os

from journeyman.home import home_folder, read_mlflow_token
from journeyman.tracking.guard.guard import Application, Guard


def app() -> Application:
    # `mlflow server` imports this module too, to see that it has a function; what serves is its child.
    from mlflow.server.fastapi_app import app as mlflow_app

    return Guard(mlflow_app, owner=os.getuid(), token=read_mlflow_token(home_folder(os.environ)))
