"""Fixtures of the writing stages."""

from tests.components.core.conftest import s3_bucket, s3_server
from tests.components.writing_stages import run_stage, teacher

__all__ = ["run_stage", "s3_bucket", "s3_server", "teacher"]
