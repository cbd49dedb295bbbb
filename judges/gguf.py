"""The head of a GGUF file: what it says of the model, and the shapes of its tensors.

Format 2 and 3 (ggml/docs/gguf.md): magic, version, number of tensors and of entries; the entries,
each a name, a type and a value; the tensors, each a name, a shape, a type and a place. All numbers
are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from bench.types import BenchError

_FORMS = "BbHhIif?--Qqd"  # by type number; - is a text or a list, which has its own reading
_STRING, _ARRAY = 8, 9
_MOST = 2**28  # bytes of one value: more is a broken file, not a large model


@dataclass(frozen=True)
class Head:
    """`entries`: name -> number, text, truth value, or list of them. `shapes`: of the tensors, by
    name, the fastest running length first."""

    entries: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]


def head(path: Path) -> Head:
    """Raises BenchError for a file that cannot be read, is none of these formats, or is cut."""
    try:
        with path.open("rb") as file:
            return _head(file)
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, IndexError, struct.error) as error:
        raise BenchError(
            f"{path} is no whole GGUF file of format 2 or 3: {error}. Was its download cut?"
        ) from error


def _head(file: BinaryIO) -> Head:
    magic, version, tensors, entries = _read(file, "4sIQQ")
    if magic != b"GGUF" or version not in (2, 3):
        raise ValueError("its first bytes are not those of one")
    found = {_text(file): _value(file, *_read(file, "I")) for _ in range(entries)}
    shapes = {}
    for _ in range(tensors):
        name = _text(file)
        shapes[name] = _read(file, f"{_read(file, 'I')[0]}Q")
        _read(file, "IQ")  # type and place
    return Head(found, shapes)


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        return _read(file, _FORMS[kind])[0]
    inner, length = _read(file, "IQ")
    if inner == _STRING:
        return [_text(file) for _ in range(length)]
    return list(_read(file, f"{length}{_FORMS[inner]}"))


def _text(file: BinaryIO) -> str:
    (length,) = _read(file, "Q")
    return _bytes(file, length).decode("utf-8", "replace")


def _read(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{form}", _bytes(file, struct.calcsize(f"<{form}")))


def _bytes(file: BinaryIO, length: int) -> bytes:
    if length > _MOST:
        raise ValueError(f"a value of {length} bytes")
    found = file.read(length)
    if len(found) < length:
        raise ValueError("it ends too early")
    return found
