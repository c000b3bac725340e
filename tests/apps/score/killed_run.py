"""A run of its own process, slow enough to be killed: `killed_run.py OUT PHOTO…`."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from small_networks import TinyNet  # noqa: E402

from prefiqs.apps.score.run import write_scores
from prefiqs.apps.score.scorer import FaceScorer, PhotoScorer


class Slow(FaceScorer):
    def __call__(self, faces):
        time.sleep(0.1)
        return super().__call__(faces)


scorer = Slow("prefiqs", TinyNet(), device="cpu")
scorer.chunk = 2
write_scores(PhotoScorer(scorer), [Path(name) for name in sys.argv[2:]], Path(sys.argv[1]))
