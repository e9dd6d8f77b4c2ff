"""Frames by a plan, from one library or another."""
