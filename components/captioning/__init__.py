"""Captioning: each segment at a frame rate of its own, its events in absolute time (ReWatch-R1, stage 1)."""
