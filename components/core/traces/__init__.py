"""What a trace is: its timecodes and its tags, printed and parsed."""
