"""Filters that keep the questions which only the video's details answer, and their multiple-choice twins."""
