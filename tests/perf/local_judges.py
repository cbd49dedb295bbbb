"""What judges of this machine cost, against named baselines, on one thread.

letters    probabilities of the answer letters, by our transformers engine and by lm-eval's hf model
           (`loglikelihood`, batch 1, all spellings of a trial in one forward pass), on the same
           trials of made items, in both orders. The numbers must be the same to 1e-4, and ours come
           in at least 1.5 times the rate: CPU seconds decide, for they mind neighbours less
pointwise  a judge that scores responses one by one is asked once per distinct response, however
           many pairs it is in: counted, not timed
hidden     hidden states of a response, read back from the cache and computed: at least 100 times
           faster

Prints one line of JSON; status 1 when a bar is missed.

    python tests/perf/local_judges.py [--items 40] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.ledger import Ledger
from bench.plan import Plan, trials
from bench.prepare import cache_folder
from bench.registry import cards, make_task
from bench.runner import Limits, carry_out
from bench.spec import parse_spec
from bench.types import Context, Item, JudgeCard, Message, Response
from judges.engines.base import AnswerScores, Request, Tag
from judges.engines.transformers import TransformersEngine
from judges.hidden import HiddenStates
from judges.prompt import load_prompt
from judges.prompted import PromptedJudge

BAR_LETTERS, BAR_SAME, BAR_HIDDEN = 1.5, 1e-4, 100.0
SPELLINGS = ("{}", " {}")
TEXTS = 6  # responses whose hidden states are made and read back

Rows = list[list[float]]


def requests(items: Sequence[Item]) -> list[Request]:
    """Both orders of each item, asked for a letter."""
    prompt = load_prompt("choice-letter")
    card = JudgeCard("j", "prompted", ("pairwise",))
    return [Request(prompt.render(trial), ("A", "B")) for _, trial in trials(items, card)]


def ours(engine: TransformersEngine, asked: Sequence[Request]) -> Rows:
    """Log-probability of each answer, per request."""
    found = dict(engine.answer_logprobs(enumerate(asked)))
    return [list(found[i].logprobs) for i in range(len(asked))]


def theirs(lm: Any, asked: Sequence[Request]) -> Rows:
    """The same by lm-eval, but for a constant: it moves the template's last line break into the
    answer, whose log-probability then has that of the line break in it."""
    from lm_eval.api.instance import Instance

    pairs = []
    for request in asked:
        history = [{"role": m.role, "content": m.content} for m in request.conversation]
        context = lm.apply_chat_template(history)
        pairs += [(context, s.format(a)) for a in request.answers for s in SPELLINGS]
    instances = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
    values = [value for value, _ in lm.loglikelihood(instances, disable_tqdm=True)]
    sums = [_log_sum(values[i : i + 2]) for i in range(0, len(values), 2)]
    return [sums[i : i + 2] for i in range(0, len(sums), 2)]


def letters(engine: TransformersEngine, folder: str, n: int, rounds: int) -> dict[str, Any]:
    """Each trial once by either, in slices that alternate, since a shared machine drifts."""
    from lm_eval.models.huggingface import HFLM

    found = make_task(parse_spec("verifiable")).items()
    items = [item for item in found if len(item.responses) == 2][:n]
    lm = HFLM(folder, dtype="float32", device="cpu", batch_size=1)
    warm = requests(items[:1])
    ours(engine, warm), theirs(lm, warm)
    ways: dict[str, Callable[[Sequence[Request]], Rows]] = {
        "ours": lambda asked: ours(engine, asked),
        "lm_eval": lambda asked: theirs(lm, asked),
    }
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    furthest = 0.0
    for turn in range(rounds):
        asked = requests(items[turn::rounds])
        rows = {}
        for name in sorted(ways, reverse=bool(turn % 2)):
            start = time.process_time(), time.perf_counter()
            rows[name] = [_relative(row) for row in ways[name](asked)]
            took[name].append((time.process_time() - start[0], time.perf_counter() - start[1]))
        pairs = zip(rows["ours"], rows["lm_eval"], strict=True)
        furthest = max(furthest, *(abs(x - y) for a, b in pairs for x, y in zip(a, b, strict=True)))
    cpu, wall = (
        statistics.median(b[k] / a[k] for a, b in zip(took["ours"], took["lm_eval"], strict=True))
        for k in (0, 1)
    )
    seconds = {name: sum(cpu for cpu, _ in values) for name, values in took.items()}
    return {
        "ratio_cpu": round(cpu, 2),
        "ratio_wall": round(wall, 2),
        **{f"{name}_cpu_ms": round(1e3 * s / (2 * len(items)), 1) for name, s in seconds.items()},
        "furthest": float(f"{furthest:.2g}"),
        "trials": 2 * len(items),
        "rounds": rounds,
    }


class Counting:
    """An engine that answers at once, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    def answer_logprobs(
        self, requests: Iterable[tuple[Tag, Request]]
    ) -> Iterator[tuple[Tag, AnswerScores]]:
        """All answers alike."""
        for tag, request in requests:
            self.asked += 1
            n = len(request.answers)
            yield tag, AnswerScores((math.log(1 / n),) * n)

    def close(self) -> None:
        """Nothing is held."""


def pointwise(prompts: int = 50, each: int = 5) -> dict[str, int]:
    """All pairs of the `each` responses to a prompt; how many were scored, and how often."""
    items = [
        Item(
            f"{p}/{a}/{b}",
            "made",
            "chat",
            (Message("user", f"question {p}"),),
            tuple(Response(str(i), f"answer {i} to {p}") for i in (a, b)),
        )
        for p in range(prompts)
        for a, b in combinations(range(each), 2)
    ]
    prompt, engine = load_prompt("rating-digit"), Counting()
    card = JudgeCard("j", "prompted", prompt.protocols, order_free=True)
    judge = PromptedJudge(card, prompt, engine, "probabilities")
    with TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", write=True) as ledger:
        ledger.write_plan(Plan(("j",), ("made",)), items, [card])
        carry_out(items, [judge], ledger, repeats=1, limits=Limits(), show=lambda _: None)
        shown = len(list(ledger.showings("j")))
    return {
        "asked": engine.asked,
        "distinct": prompts * each,
        "in_pairs": 2 * len(items),
        "verdicts": shown,
    }


def hidden(engine: TransformersEngine) -> dict[str, float]:
    """Median seconds of a miss over those of a hit."""
    items = list(make_task(parse_spec("verifiable")).items())[:TEXTS]
    with TemporaryDirectory() as folder:
        states = HiddenStates(engine, Path(folder))
        asked = [(item.prompt, item.responses[0].text) for item in items]
        states.pooled((Message("user", "warm"),), "up")
        misses = [_seconds(lambda p=p, t=t: states.pooled(p, t)) for p, t in asked]
        hits = [_seconds(lambda p=p, t=t: states.pooled(p, t)) for p, t in asked]
    miss, hit = statistics.median(misses), statistics.median(hits)
    return {
        "ratio": round(miss / hit),
        "miss_ms": round(1e3 * miss, 1),
        "hit_ms": round(1e3 * hit, 2),
    }


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _log_sum(values: Sequence[float]) -> float:
    return math.log(math.fsum(map(math.exp, values)))


def _relative(row: Sequence[float]) -> list[float]:
    """Log-probabilities of the answers among themselves."""
    total = _log_sum(row)
    return [value - total for value in row]


def main() -> int:
    """Measure, print one line of JSON; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    context = Context(threads=1, cache=cache_folder())
    reference = cards()["smollm2"]["argument"]
    engine = TransformersEngine(reference, context, batch_tokens=0)
    from judges.models import find

    folder = find(reference).folder(context.cache, context.say)
    found = {
        "letters": letters(engine, folder, given.items, given.rounds),
        "pointwise": pointwise(),
        "hidden": hidden(engine),
    }
    kept = {
        "letters": found["letters"]["ratio_cpu"] >= BAR_LETTERS,
        "same": found["letters"]["furthest"] <= BAR_SAME,
        "pointwise": found["pointwise"]["asked"] == found["pointwise"]["distinct"],
        "hidden": found["hidden"]["ratio"] >= BAR_HIDDEN,
    }
    missed = [name for name, held in kept.items() if not held]
    print(json.dumps({**found, "bars_missed": missed}))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
