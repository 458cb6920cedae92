"""The SDK: everything a person does with Journeyman, from Python, over HTTP alone."""

from journeyman.client.client import Answer, Client, Control, Exported, Job, Plan, Service
from journeyman.client.log_reader import LogChunk

__all__ = ["Answer", "Client", "Control", "Exported", "Job", "LogChunk", "Plan", "Service"]
