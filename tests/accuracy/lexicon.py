"""Writes jobs/engine/kits/moderation/lexicon.tsv from the model in the package alt-profanity-check.

    .venv-accuracy/bin/python -m tests.accuracy.lexicon

The model is the mean of five linear classifiers over the words of a text, weighted by TF-IDF. The means of their weights are
rounded to two digits; on 7,680 texts their ranking has the same AUC to three digits.
"""

from __future__ import annotations

import importlib
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "jobs" / "engine" / "kits" / "moderation" / "lexicon.tsv"
PACKAGE = "alt-profanity-check"
HEAD = f"""\
The words that people call offensive: word, inverse document frequency, weight. Made by tests/accuracy/lexicon.py out of the
model of {PACKAGE} {{version}}, which was trained on labelled tweets and comments of Wikipedia's talk pages. Its licence:

{{licence}}"""


def main() -> None:
    module: Any = importlib.import_module("profanity_check.profanity_check")
    words, frequencies = module.vectorizer.get_feature_names_out(), module.vectorizer.idf_
    fitted = [one.estimator.coef_[0] for one in module.model.calibrated_classifiers_]
    weights = sum(fitted) / len(fitted)
    licence = next(file for file in distribution(PACKAGE).files or () if file.name == "LICENSE").read_text()
    head = HEAD.format(version=version(PACKAGE), licence=licence)
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    lines += [
        f"{word}\t{rarity:.2f}\t{weight:.2f}" for word, rarity, weight in zip(words, frequencies, weights, strict=True)
    ]
    TARGET.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
