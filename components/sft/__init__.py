"""Supervised fine-tuning: caption, observe, direct and think, packed behind one prefix per video."""
