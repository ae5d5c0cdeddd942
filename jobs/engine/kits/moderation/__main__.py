"""`python -m jobs.engine.kits.moderation vaderSentiment-3.3.2.tar.gz` trains the classifier again, and prints how good it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jobs.engine.kits.moderation import training

if __name__ == "__main__":
    print(json.dumps(training.write(Path(sys.argv[1]))["measured"]))
