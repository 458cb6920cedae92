"""The name under which a Ray head started by Journeyman 0.1 finds `serve/proxy/ingress.py`."""

from journeyman.serve.proxy.ingress import middlewares

__all__ = ["middlewares"]
