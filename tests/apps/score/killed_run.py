"""A run of its own process, slow enough to be killed: `killed_run.py OUT PHOTO…`."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from small_networks import TinyNet  # noqa: E402

from prefiqs.apps.score.run import write_scores
from prefiqs.apps.score.scorer import PhotoScorer
from prefiqs.faces.find import find_images


class Slow(PhotoScorer):
    def __call__(self, shards):
        for rows in super().__call__(shards):
            time.sleep(0.1)
            yield rows


RESUME = Path(sys.argv[1] + ".progress").exists()
write_scores(Slow("prefiqs", TinyNet(), device="cpu"), find_images(sys.argv[2:]), Path(sys.argv[1]), RESUME)
