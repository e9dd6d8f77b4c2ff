"""Fixtures of the writing stages."""

from tests.components.writing_stages import run_stage, teacher

__all__ = ["run_stage", "teacher"]
