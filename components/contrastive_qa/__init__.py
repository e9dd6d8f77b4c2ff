"""Contrastive QA: questions that the caption answers and the summary does not (ReWatch-R1, stage 2)."""
