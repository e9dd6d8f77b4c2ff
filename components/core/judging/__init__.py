"""Judging answers and traces: matching, the terms of the Observation & Reasoning reward, intervals, and the prompts."""
