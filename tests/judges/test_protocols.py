"""Every protocol, run for real: twenty pairs in both orders through the embedded model, with each
verdict recomputed by code that shares nothing with ours but the model's files and the rendered
prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.plan import trials
from bench.prepare import cache_folder
from bench.registry import make_judge
from bench.spec import parse_spec
from bench.types import Context, Item, Label, Message, Response, Status, Trial, Verdict
from judges.prompt import load_prompt

WRITTEN = 16  # tokens: a small model that runs on a CPU says within them whatever it will say
SAME_TEXT = 4  # replies that are written again by transformers' own generate

N = re.compile(r"-?\d+(?:\.\d+)?")


def items() -> list[Item]:
    """Sums, right in the first response or in the second."""
    made = []
    for n in range(20):
        a, b = 3 + n, 40 - n // 2
        texts = [f"It is {a + b}.", f"{a + b + 1 + n % 3}"]
        right = n % 2
        made.append(
            Item(
                f"sum-{n}",
                "sums",
                "math",
                (Message("user", f"What is {a} plus {b}?"),),
                tuple(Response(str(i), texts[i ^ right]) for i in range(2)),
                (Label("arithmetic", tuple(float(i == right) for i in range(2))),),
                reference=str(a + b),
            )
        )
    return made


@pytest.fixture(scope="module")
def plain(embedded_folder: Path) -> tuple[Any, Any]:
    """The model and its tokenizer as transformers loads them."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(embedded_folder, dtype="float32")
    return model.eval(), AutoTokenizer.from_pretrained(embedded_folder)


def asked(name: str, embedded: str, **options: object) -> tuple[list[Trial], dict[str, Verdict]]:
    more = "".join(f",{key}={value}" for key, value in options.items())
    spec = parse_spec(f"transformers:{embedded},prompt={name}{more}")
    judge = make_judge(spec, Context(cache=cache_folder(), say=lambda line: None))
    shown = [trial for _, trial in trials(items(), judge.card)]
    found = {verdict.key: verdict for verdict in judge.judge(shown)}
    judge.close()
    assert len(found) == len(shown) == 40
    assert judge.card.order_free == (len(shown[0].order) == 1)
    return shown, found


def encoded(name: str, trial: Trial, tokenizer: Any) -> Any:
    chat = [{"role": m.role, "content": m.content} for m in load_prompt(name).render(trial)]
    return tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )


def next_token(name: str, trial: Trial, plain: tuple[Any, Any], answers: Sequence[str]) -> Any:
    """Probability of each answer as the next token, with and without a space before it."""
    import torch

    model, tokenizer = plain
    with torch.inference_mode():
        row = model(**encoded(name, trial, tokenizer)).logits[0, -1].double().softmax(-1)
    found = []
    for answer in answers:
        ids = {tuple(tokenizer.encode(s, add_special_tokens=False)) for s in (answer, f" {answer}")}
        found.append(sum(float(row[i[0]]) for i in ids if len(i) == 1))
    return found


WEIGHED: dict[str, tuple[Sequence[str], Callable[[Sequence[float]], Sequence[float]]]] = {
    "choice-letter": ("AB", lambda p: [p[0] / sum(p), p[1] / sum(p)]),
    "rating-digit": (
        "123456789",
        lambda p: [sum((d + 1) * x for d, x in enumerate(p)) / sum(p)],
    ),
    "yes-no": (("Yes", "No"), lambda p: [p[0] / sum(p)]),
    "yes-no-category": (("Yes", "No"), lambda p: [p[0] / sum(p)]),
}


@pytest.mark.parametrize("name", WEIGHED)
def test_probabilities(name: str, embedded: str, plain: tuple[Any, Any]) -> None:
    answers, utilities = WEIGHED[name]
    shown, found = asked(name, embedded, min_mass=0)
    for trial in shown:
        p = next_token(name, trial, plain, answers)
        verdict = found[trial.key]
        assert json.loads(verdict.raw)["mass"] == pytest.approx(sum(p), rel=1e-3)
        by_item = dict(zip(trial.order, utilities(p), strict=True))
        expected = [by_item[i] for i in sorted(by_item)]
        assert verdict.utilities == pytest.approx(expected, abs=1e-4)
    assert len({verdict.utilities for verdict in found.values()}) > 20


# -- text: what the reply says, read by hand

Reading = list[float] | None


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""


def letter(text: str) -> Reading:
    """A reply that is one letter, or a last line that ends in "Verdict: X"."""
    said = re.fullmatch(r"\W*(?:Response )?([AB])\W*", text.strip()) or re.search(
        r"Verdict\W+([AB])\W*$", last_line(text)
    )
    if said:
        return [1.0, 0.0] if said[1] == "A" else [0.0, 1.0]
    return [0.5, 0.5] if re.search(r"Verdict\W+tie\W*$", last_line(text), re.I) else None


def two_numbers(text: str) -> Reading:
    numbers = [float(n) for n in N.findall(text.strip().splitlines()[0])] if text.strip() else []
    fits = len(numbers) == 2 and all(1 <= n <= 10 for n in numbers)
    return numbers if fits else None


def number(low: int, high: int) -> Callable[[str], Reading]:
    def read(text: str) -> Reading:
        said = re.fullmatch(r"\W*(\d+(?:\.\d+)?)\W*", text.strip()) or re.search(
            r"(?:Rating|Score)\W+(\d+(?:\.\d+)?)\W*$", last_line(text)
        )
        return [float(said[1])] if said and low <= float(said[1]) <= high else None

    return read


def yes_or_no(text: str) -> Reading:
    said = re.fullmatch(r"\W*(Yes|No)\W*", text.strip(), re.I)
    return [float(said[1].lower() == "yes")] if said else None


def order_of_merit(text: str) -> Reading:
    said = re.search(r"Ranking\W+([AB])\s*([>=])\s*([AB])\W*$", last_line(text))
    if said is None or said[1] == said[3]:
        return None
    return [0.5, 0.5] if said[2] == "=" else [1.0, 0.0] if said[1] == "A" else [0.0, 1.0]


def nothing(text: str) -> Reading:
    return None


READ: dict[str, Callable[[str], Reading]] = {
    "choice-direct": letter,
    "choice-criteria": letter,
    "two-scores-reference": two_numbers,
    "ranking": order_of_merit,
    "rubric": number(1, 5),
    "rating": number(1, 10),
    "aspects": nothing,  # five lines do not fit into so few tokens
}


@pytest.mark.parametrize("name", READ)
def test_text(name: str, embedded: str, plain: tuple[Any, Any]) -> None:
    shown, found = asked(name, embedded, read="text", max_tokens=WRITTEN)
    model, tokenizer = plain
    for trial in shown[:: len(shown) // SAME_TEXT]:
        given = encoded(name, trial, tokenizer)
        out = model.generate(**given, max_new_tokens=WRITTEN, do_sample=False)
        text = tokenizer.decode(out[0, given["input_ids"].shape[1] :], skip_special_tokens=True)
        assert found[trial.key].raw == text
    for trial in shown:
        verdict = found[trial.key]
        reading = READ[name](verdict.raw)
        if reading is None:
            # A failure is never a number: unread, or cut before its verdict.
            assert verdict.status in (Status.UNPARSED, Status.TRUNCATED, Status.REFUSED)
            assert verdict.utilities is None
        else:
            by_item = dict(zip(trial.order, reading, strict=True))
            expected = [by_item[i] for i in sorted(by_item)]
            best = [i for i, u in enumerate(expected) if u == max(expected)]
            assert verdict.utilities is not None, verdict.note
            assert [
                i for i, u in enumerate(verdict.utilities) if u == max(verdict.utilities)
            ] == best
            if len(expected) == 1 or name.startswith("two-scores"):
                assert verdict.utilities == pytest.approx(expected)


def test_samples_differ_by_their_seeds_and_come_again(embedded: str) -> None:
    """k calls at temperature 1: the plan's seeds, so another run says the same."""
    spec = parse_spec(
        f"transformers:{embedded},prompt=choice-direct,k=4,temperature=1,max_tokens=6"
    )
    runs = []
    for _ in range(2):
        judge = make_judge(spec, Context(cache=cache_folder(), say=lambda line: None))
        shown = [trial for _, trial in trials(items()[:2], judge.card)]
        runs.append({v.key: v.raw for v in judge.judge(shown)})
        judge.close()
    assert len(shown) == 2 * 2 * 4
    assert runs[0] == runs[1]
    assert len(set(runs[0].values())) > 4
