"""Evaluation on held-out videos: accuracy, faithfulness, grounding and captions, each with interval and protocol."""
