"""How close a generated caption is to the detailed caption: BLEU-1, ROUGE-L, METEOR.

BLEU-1 is sacreBLEU's with the brevity penalty, averaged over videos (sentence level, so that intervals can be taken);
ROUGE-L is Google's rouge_score, F1. METEOR needs WordNet, which is data that nobody may have installed: then it is
reported as not computed, never as zero.
"""

from __future__ import annotations

from collections.abc import Sequence

NO_WORDNET = "not computed: WordNet is not installed (python -m nltk.downloader wordnet)"


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
