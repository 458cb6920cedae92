"""Protocols a replica speaks: bytes of a request to arrays, arrays to bytes of an answer."""
