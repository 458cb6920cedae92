"""The old name of `serve/proxy/ingress.py`, by which a Ray head started before the move finds it."""

from journeyman.serve.proxy.ingress import middlewares

__all__ = ["middlewares"]
