"""Teachers: the roles a stage asks, the prompts it sends, and the client that never buys a stored reply twice."""

from components.core.teachers.client import Reply, Teachers
from components.core.teachers.prompts import Prompt, ReplyModel, TimedImage
from components.core.teachers.roles import RoleSettings

__all__ = ["Prompt", "Reply", "ReplyModel", "RoleSettings", "Teachers", "TimedImage"]
