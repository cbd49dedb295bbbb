"""How probable answers of one token are, next, after given conversations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.types import BenchError
from judges.engines.batches import padded
from judges.engines.chat import ChatTokens
from judges.engines.loading import Loaded


def next_token_logprobs(loaded: Loaded, batch: Sequence[list[int]]) -> Any:
    """Log-probabilities (sequences, vocabulary), float32, of the token after each sequence."""
    import torch

    ids, mask = padded(batch, loaded.device)
    ends, where = torch.unique(mask.sum(1) - 1, return_inverse=True)
    with torch.inference_mode():
        logits = loaded.model(
            input_ids=ids, attention_mask=mask, logits_to_keep=ends, use_cache=False
        ).logits
        rows = torch.arange(len(batch), device=logits.device)
        return logits[rows, where].float().log_softmax(-1).cpu()


class Spellings:
    """The tokens that an answer may be: of "A", those of "A" and " A". `reference`: the model, for
    messages."""

    def __init__(self, chat: ChatTokens, reference: str) -> None:
        self._chat, self._reference = chat, reference
        self._found: dict[str, list[int]] = {}

    def tokens(self, answer: str) -> list[int]:
        """Ids, at least one. Raises BenchError for an answer that is no single token in any
        spelling."""
        if answer not in self._found:
            spelt = [self._chat.text(text) for text in (answer, f" {answer}")]
            self._found[answer] = sorted({ids[0] for ids in spelt if len(ids) == 1})
            if not self._found[answer]:
                raise BenchError(
                    f"model {self._reference!r}: {answer!r} is no single token of it; choose a "
                    "prompt with other answers"
                )
        return self._found[answer]

    def logprob(self, row: Any, answer: str) -> float:
        """Log of the summed probability of the answer's tokens; `row`: log-probabilities
        (vocabulary)."""
        return float(row[self.tokens(answer)].logsumexp(0))
