"""Re-watching chains of thought: a reasoner that looks again, an observer that answers from the caption."""
