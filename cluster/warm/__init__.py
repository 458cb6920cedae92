"""Processes that start with their imports done: a fork server per node, and what Ray starts of it."""
