"""The old name of `serve/replica/deployment.py`, by which services deployed before the move find it."""

from journeyman.serve.replica.deployment import Arguments, Deployment, build

__all__ = ["Arguments", "Deployment", "build"]
