"""A random encoder that is tiny, with a vocabulary of its own."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

WORDS = ("is", "it", "a", "number", "correct", "wrong", "yes", "no", "the", "user", "assistant")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def tokenizer(tokens: int) -> Any:
    """Words, letters and digits; inputs of at most `tokens`."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizerFast

    letters = [*string.ascii_lowercase, *string.digits, *".,?!:[]-"]
    pieces = [*SPECIAL, *WORDS, *letters, *(f"##{c}" for c in letters)]
    made = BertWordPieceTokenizer({piece: i for i, piece in enumerate(dict.fromkeys(pieces))})
    return BertTokenizerFast(tokenizer_object=made._tokenizer, model_max_length=tokens)


def save(folder: Path, *, tokens: int = 64, outputs: int | None = 1, seed: int = 0) -> Path:
    """A BERT of 2 layers of width 32 in `folder`. `outputs`: of its head; None: without one."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    made = tokenizer(tokens)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(made),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokens,
        initializer_range=0.3,
        num_labels=outputs or 2,
    )
    model = BertModel(config) if outputs is None else BertForSequenceClassification(config)
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder
