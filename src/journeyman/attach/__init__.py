"""Attaching to a cluster and an MLflow server that something else started"""
