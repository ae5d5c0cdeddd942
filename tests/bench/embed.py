"""How fast a job turns texts into vectors with the model that comes along, beside a bare loop over the same model."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs.engine.files import uploads
from tests.bench import installation
from tests.bench.figures import Figure, Target
from tests.engine.workers import CODE

WORDS = Path(CODE / "docs/reliability.md").read_text().split()
SHORTEST, LONGEST = 10, 60  # words of a text: a line of a mail to a review


def figures(count: int, repeat: int) -> list[Figure]:
    """Texts a second: of a job from its claim to the settled row, with its file, and of the loop. Loading the model is
    left out of both: what it took the loop is taken from the job's time, which has it once too."""
    ours: list[float] = []
    theirs: list[float] = []
    with TemporaryDirectory() as folder, installation.worker():
        for _ in range(repeat):
            path = texts(Path(folder) / "texts.jsonl", count)
            loading, loop = _loop(path)
            ours.append(count / (_job(path, count) - loading))
            theirs.append(count / loop)
    what = f"{count:,} texts embedded by the built-in model, a file of vectors written"
    return [Figure(what, "texts/s", ours, {"a bare loop": theirs}, Target("ratio", ">=", 0.95))]


def texts(path: Path, count: int) -> Path:
    """Such as were never embedded before: what is known is not embedded again."""
    with path.open("w") as out:
        for _ in range(count):
            words = random.choices(WORDS, k=random.randint(SHORTEST, LONGEST))
            out.write(json.dumps({"text": f"{uuid.uuid4().hex[:8]} {' '.join(words)}"}) + "\n")
    return path


def _loop(path: Path) -> tuple[float, float]:
    command = [sys.executable, "tests/bench/peers/onnx_loop.py", str(path)]
    loading, loop = map(float, subprocess.check_output(command, cwd=CODE).split())
    return loading, loop


def _job(path: Path, count: int) -> float:
    with path.open("rb") as stream:
        file = uploads.upload(stream, path.name, owner=installation.OWNER)
    job = installation.run("embed_texts", source=str(file.id), text_column="text")
    assert job.done == count and not job.result["not_embedded_again"], job.result
    return installation.seconds(job)
