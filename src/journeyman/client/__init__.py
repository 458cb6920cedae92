"""The SDK: everything a person does with Journeyman, from Python, over HTTP alone."""

from journeyman.client.client import Client
from journeyman.client.control import Control
from journeyman.client.jobs import Job
from journeyman.client.log_reader import LogChunk
from journeyman.client.models import Exported
from journeyman.client.plan import Plan
from journeyman.client.services import Answer, Service
from journeyman.jobs.attempt import Attempt

__all__ = ["Answer", "Attempt", "Client", "Control", "Exported", "Job", "LogChunk", "Plan", "Service"]
