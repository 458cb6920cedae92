"""The name under which services deployed by Journeyman 0.1 find `serve/replica/deployment.py`."""

from journeyman.serve.replica.deployment import Arguments, Deployment, build

__all__ = ["Arguments", "Deployment", "build"]
