"""Names of somebody's data where a file or an id needs a plain one."""

from __future__ import annotations

import hashlib
import re

LONGEST = 60


def plain_name(name: str) -> str:
    """`name` in letters, digits, `.`, `_` and `-`, not beginning with a point. One that had to be
    changed for that gets a hash, so that two names stay two."""
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.")[:LONGEST]
    if plain and plain == name:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return "-".join(filter(None, (plain, digest)))
