"""Are qakit's windows those of the tokenizer itself? `python benchmarks/window_equality.py [DATA]`.

Compares every window of DRCD dev and CMRC 2018 dev, token ids, type ids and owner, for four kinds of tokenizers. DATA
is the folder with the public datasets, by default $QAKIT_DATA or `shared/data` beside the repository.
"""

import os
import sys
import time
from itertools import zip_longest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qakit.config import WindowSettings
from tests.spans import frames

BESIDE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"
FILES = ("drcd/DRCD_dev.json", "cmrc2018/cmrc2018_dev.json")
MAX_LENGTH, OVERLAP = 384, 128
ROW = "{:<12} {:<20} {:>9} {:>9} {:>9} {:>10} {:>10}"


def compare(frame: str, data: Path, file: str) -> str:
    """One line of the table."""
    tokenizer = frames.with_real_vocabulary(frame, data)
    pairs = frames.pairs_of(data / file)
    start = time.perf_counter()
    own = frames.own_windows(tokenizer, pairs, MAX_LENGTH, OVERLAP)
    middle = time.perf_counter()
    found = frames.gathered_windows(tokenizer, pairs, WindowSettings(max_length=MAX_LENGTH, overlap=OVERLAP))
    end = time.perf_counter()
    differing = sum(one != other for one, other in zip_longest(own, found))
    seconds = (f"{middle - start:.1f}", f"{end - middle:.1f}")
    return ROW.format(frame, Path(file).name, len(pairs), len(own), differing, *seconds)


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("QAKIT_DATA", BESIDE_REPOSITORY))
    print(f"max_length {MAX_LENGTH}, overlap {OVERLAP}")
    print(ROW.format("frame", "file", "questions", "windows", "differing", "its own s", "qakit's s"))
    for frame in frames.FRAMES:
        for file in FILES:
            print(compare(frame, data, file), flush=True)


if __name__ == "__main__":
    main()
