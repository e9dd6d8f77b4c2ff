"""Runs on this machine: kfp.local, in a subprocess or in Docker."""
