"""Segmentation: long videos are cut into semantic chunks of about ten minutes (ReWatch-R1, stage 1)."""
