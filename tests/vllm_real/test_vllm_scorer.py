"""Scores of whole sequences, and the judge `reward` by them, against the same in transformers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.spec import parse_spec
from bench.types import Context, Message, Status, Trial
from judges.engines.vllm_scorer import VllmScorer
from judges.models import find
from judges.reward import Options, RewardJudge
from judges.reward_input import Sequenced
from judges.reward_vllm import VllmRewardJudge


def test_scores_are_those_of_transformers(
    tiny_llama: Callable[[str], Path], shown: list[Trial], tmp_path: Path
) -> None:
    import torch
    from transformers import LlamaForSequenceClassification

    folder = tiny_llama("score")
    model = LlamaForSequenceClassification.from_pretrained(folder).eval()
    scorer = VllmScorer(str(folder), Context(cache=tmp_path))
    texts = [trial.shown[0].text for trial in shown[:40]]
    limit = scorer.limit
    sequences = [[*scorer.tokenizer(text)["input_ids"], 2][-limit:] for text in texts]
    sequences.append([5] * limit)
    read = [Sequenced(ids, None) for ids in [*sequences, [5] * (limit + 1)]]
    found = dict(scorer.scores(enumerate(read)))
    scorer.close()
    for i, ids in enumerate(sequences):
        with torch.inference_mode():
            expected = model(torch.tensor([ids])).logits[0].tolist()
        assert found[i].logits == pytest.approx(expected, abs=1e-4)
        assert found[i].usage.prompt_tokens == len(ids)
    values = [found[i].logits[0] for i in range(len(sequences))]
    assert max(values) - min(values) > 0.1  # they do differ
    assert min(values) < 0 or max(values) > 1  # and are no sigmoid's
    assert found[len(sequences)].failed is Status.TRUNCATED


def test_the_reward_judge_by_vllm_is_the_one_by_transformers(
    tiny_llama: Callable[[str], Path], shown: list[Trial], tmp_path: Path
) -> None:
    folder, here = tiny_llama("score"), Context(cache=tmp_path)
    spec, source = parse_spec(f"reward:{folder}"), find(str(folder))
    single = [
        Trial(f"{trial.key} {i}", trial.item, (i,), "pointwise", 0, 0)
        for trial in shown[:20]
        for i in range(2)
    ]
    long = Message("user", "word " * 300)
    single.append(_asking(single[0], long))
    verdicts = []
    for judge in (
        VllmRewardJudge(spec, Options(), source, here),
        RewardJudge(spec, Options(pad="<|endoftext|>"), source, here),
    ):
        verdicts.append({verdict.key: verdict for verdict in judge.judge(single)})
        judge.close()
    for trial in single:
        ours, plain = (found[trial.key] for found in verdicts)
        assert ours.status is plain.status
        assert ours.utilities == (plain.utilities and pytest.approx(plain.utilities, abs=1e-4))
        assert ours.usage.prompt_tokens == plain.usage.prompt_tokens
    assert verdicts[0][single[-1].key].status is Status.TRUNCATED


def _asking(trial: Trial, message: Message) -> Trial:
    item = replace(trial.item, prompt=(message,))
    return replace(trial, key="long", item=item)
