"""Item ids that are unique where the ids of a set are not."""

from __future__ import annotations

from collections import Counter


class UniqueIds:
    """Counts the names of one reading of a set: the second item of a name is ``NAME~2``, the third
    ``NAME~3``. As stable as the order of the set's rows."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def of(self, name: str) -> str:
        """The id of the next item of this name."""
        self._seen[name] += 1
        count = self._seen[name]
        return name if count == 1 else f"{name}~{count}"
