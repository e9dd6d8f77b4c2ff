"""Measures of free text that need no model: of the times in it, and of its closeness to a reference caption.

Temporal grounding as Video-Thinker scores it (arXiv 2510.23473): each true segment takes the best IoU over the
predicted ones; mIoU is the mean over true segments, Recall@K the share whose best IoU is at least K. A prediction
without an interval counts as 0.

BLEU-1 is sacreBLEU's with the brevity penalty, averaged over videos (sentence level, so that intervals can be taken);
ROUGE-L is Google's rouge_score, F1. METEOR needs WordNet, which is data that nobody may have installed: then it is
reported as not computed, never as zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.core.judging.matching import temporal_iou

Interval = tuple[float, float]
RECALLS = (0.3, 0.5, 0.7)
NO_WORDNET = "not computed: WordNet is not installed (python -m nltk.downloader wordnet)"


def best_ious(predicted: Sequence[Interval], truth: Sequence[Interval]) -> list[float]:
    """For each true interval (seconds) the IoU of the predicted one that fits it best.

    >>> best_ious([(0.0, 2.0), (4.0, 8.0)], [(4.0, 6.0), (9.0, 10.0)])
    [0.5, 0.0]
    """
    return [max((temporal_iou(guess, true) for guess in predicted), default=0.0) for true in truth]


def bleu1(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """BLEU-1 of each caption, 0 to 1."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(max_ngram_order=1, effective_order=True, lowercase=True)
    return [
        metric.sentence_score(prediction, [reference]).score / 100
        for prediction, reference in zip(predictions, references, strict=True)
    ]


def rouge_l(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """ROUGE-L (F1) of each caption, 0 to 1."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    return [
        scorer.score(reference, prediction)["rougeL"].fmeasure
        for prediction, reference in zip(predictions, references, strict=True)
    ]


def meteor(predictions: Sequence[str], references: Sequence[str]) -> list[float] | None:
    """METEOR of each caption, 0 to 1; None where WordNet is not installed."""
    from nltk.corpus import wordnet
    from nltk.translate.meteor_score import meteor_score

    try:
        wordnet.ensure_loaded()  # exact matches alone would be scored without it: a number of another kind
    except LookupError:
        return None
    return [
        float(meteor_score([reference.lower().split()], prediction.lower().split()))
        for prediction, reference in zip(predictions, references, strict=True)
    ]
