"""A small world of coloured shapes, rendered to video, with its ground truth kept apart.

No stage and no teacher imports it: what they know of the world they see in pixels. Only `tests/audit` reads the truth.
"""
