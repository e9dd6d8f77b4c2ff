"""Promotion: a new student becomes the champion only if it beats the old one on the same questions."""
