"""Look for a seed that breaks a promise: `python -m tests.chaos --rounds 200`.

Each round forks its processes from this one, before anything is opened in it, so that a process costs milliseconds.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter
from typing import get_args

from tests.chaos.processes import Face
from tests.chaos.rounds import Failed, run_round

_ROUNDS_BETWEEN_WORDS = 20


def main() -> int:
    """Run the rounds; return 1 when one has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="how many rounds")
    parser.add_argument("--seed", help="that of the first round; the following ones count on")
    parser.add_argument("--face", choices=get_args(Face), help="run every runner on this one; by default each is drawn")
    parser.add_argument("--blows", type=int, default=6, help="how much befalls the processes of a round")
    parser.add_argument("--keep", action="store_true", help="keep the folders of rounds in which everything held")
    chosen = parser.parse_args()
    first = chosen.seed or secrets.token_hex(3)
    failures = 0
    blows: Counter[str] = Counter()
    began = time.monotonic()
    for number in range(chosen.rounds):
        seed = first if number == 0 else f"{first}.{number}"
        try:
            plan = run_round(seed, chosen.face, chosen.blows, keep=chosen.keep)
        except Failed as failure:
            failures += 1
            face = f" --face {chosen.face}" if chosen.face else ""
            print(failure)
            print(f"replay: python -m tests.chaos --rounds 1 --seed {seed} --blows {chosen.blows}{face}")
            sys.stdout.flush()
        else:
            blows.update(line.split()[0] for line in plan.told)
        if (number + 1) % _ROUNDS_BETWEEN_WORDS == 0:
            print(f"{number + 1} rounds in {time.monotonic() - began:.0f} s, {failures} failed", flush=True)
    print(f"{chosen.rounds} rounds in {time.monotonic() - began:.0f} s, {failures} failed; {dict(blows)}")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
