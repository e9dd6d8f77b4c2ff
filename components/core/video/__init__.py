"""Reading video: timecodes, frame plans, probing, and decoding in a child process with limits."""
