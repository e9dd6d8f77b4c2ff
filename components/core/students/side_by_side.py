"""Threads that compute beside each other, a core each.

How many cores one operation of torch takes is a thread's own affair: a new one begins with what the environment says,
whatever was set before it was started. Sums would then have another order where nobody set OMP_NUM_THREADS, and weights
other last digits.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


def threads_of_one_core(count: int) -> ThreadPoolExecutor:
    """So many threads, in each of which an operation takes one core."""
    import torch

    return ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
