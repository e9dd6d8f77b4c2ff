"""The built-in teacher: classical computer vision and rules behind the OpenAI chat protocol.

It answers from what arrives in the request and nothing else: no stage, no corpus generator and no ground truth is
imported here.
"""
