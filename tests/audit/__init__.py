"""The audit: a finished run against the sandbox's ground truth. Nothing else reads that truth.

    python -m tests.audit --run runs/<id> --truth runs/corpus/truth
    python -m tests.audit.renamed --run runs/<id>

It parses captions, questions and observations with patterns of its own, and takes nothing from the teacher's code.
"""
