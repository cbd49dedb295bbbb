"""The loader of hub data sets against an imitation of the hub: pinning, what goes wrong on the way,
and that nothing half is kept."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub import Fault, Hub, json_lines, parquet

from bench.spec import parse_spec
from bench.types import BenchError, Item, Split, TaskCard
from tasks.hub import HubTask
from tasks.hub_files import HubSource

REPO = "owner/name"
ROWS = [{"prompt": f"question {n}", "answers": ["a", "b"]} for n in range(40)]
README = (
    b"---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: test, path: data/*}\n---\n"
)
LARGE = [{"prompt": "x" * 100, "n": n, "noise": os.urandom(16).hex()} for n in range(40_000)]


class Rows(HubTask):
    def items(self, split: Split | None = None) -> Iterator[Item]:
        yield from ()


def task(spec: str = "made", split: str = "test", **source: object) -> Rows:
    card = TaskCard("made", "Made", (), "gold", "MIT", "")
    return Rows(card, HubSource(REPO, split, **source), parse_spec(spec))


def files(rows: list[dict[str, object]], readme: bytes = README) -> dict[str, bytes]:
    return {"README.md": readme, "data/test-00000-of-00001.parquet": parquet(rows)}


def values(made: Rows, *columns: str) -> list[object]:
    return [node.value for node in made.rows(*columns)]


def downloads(hub: Hub) -> list[str]:
    return [r for r in hub.requests if r.startswith("GET") and "/resolve/" in r]


def cached(tmp_path: Path) -> list[Path]:
    """Files of data, whole or half, that are in the cache."""
    return [p for p in (tmp_path / "hub").rglob("*") if p.is_file() and "/blobs/" in str(p)]


def test_rows_of_the_newest_revision_which_the_card_then_names(hub: Hub) -> None:
    hub.put(REPO, files(ROWS[:1]))
    newest = hub.put(REPO, files(ROWS))
    made = task()
    assert made.card.revision == "the newest, resolved when it is read"
    assert made.card.url == "https://huggingface.co/datasets/owner/name"
    assert values(made, "prompt", "answers") == ROWS
    assert made.card.revision == newest
    hub.put(REPO, files(ROWS[:2]))
    assert len(values(made)) == len(ROWS), "a task that was read stays what it was"


def test_a_revision_is_pinned_by_the_card_or_by_the_user(hub: Hub) -> None:
    old = hub.put(REPO, files(ROWS[:3]))
    new = hub.put(REPO, files(ROWS))
    assert len(values(task(revision=old))) == 3
    pinned = task(f"made:revision={new}", revision=old)
    assert pinned.card.revision == new, "known before it is read"
    assert len(values(pinned)) == 40


def test_what_was_brought_is_read_again_without_the_hub(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = hub.put(REPO, files(ROWS))
    assert values(task()) == ROWS
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert values(task(revision=sha)) == ROWS
    unpinned = task()
    assert values(unpinned) == ROWS
    assert unpinned.card.revision == sha


def test_only_the_named_files_are_brought(hub: Hub) -> None:
    extra = {"data/other.parquet": parquet(ROWS), "features/big.jsonl": json_lines(LARGE[:10])}
    hub.put(REPO, {**files(ROWS), **extra})
    list(task(files=("data/test-*",)).rows())
    assert sorted(r.rpartition("/")[2] for r in downloads(hub)) == [
        "README.md",
        "test-00000-of-00001.parquet",
    ]


def test_files_are_read_as_they_are_where_a_builder_is_named(hub: Hub) -> None:
    hub.put(REPO, {"one.jsonl": json_lines(ROWS), "two.jsonl": b"not json at all"})
    assert values(task(files=("one.jsonl",), builder="json")) == ROWS
    with pytest.raises(BenchError, match="begins with 'not json at all'; JSON objects expected"):
        values(task(files=("two.jsonl",), builder="json"))


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("x.jsonl", b"", "begins with nothing; JSON objects expected"),
        ("x.jsonl", b"null\n", "begins with 'null'; JSON objects expected"),
        ("x.jsonl.gz", gzip.compress(json_lines(ROWS))[:-20], r"\(x.jsonl.gz\) cannot be read"),
        ("x.jsonl", b'{"prompt": 1}\n5\n', r"\(x.jsonl\) cannot be read"),
        ("x.jsonl", b"[]", r"\(x.jsonl\)"),
        ("x.parquet", b"PAR1 and no more", r"\(x.parquet\) cannot be read"),
        ("x.parquet", b"", r"\(x.parquet\) cannot be read"),
        ("x.parquet", parquet([{"prompt": "x"}])[:-9], r"\(x.parquet\) cannot be read"),
    ],
)
def test_a_broken_local_copy_is_told(tmp_path: Path, name: str, body: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(body)
    with pytest.raises(BenchError, match=said):
        values(task(f"made:{path}"), "prompt")


def test_the_name_of_a_local_copy_is_no_pattern(tmp_path: Path) -> None:
    for name, rows in (("a[1].jsonl", ROWS[:3]), ("a1.jsonl", ROWS), ("a*.jsonl", ROWS[:4])):
        (tmp_path / name).write_bytes(json_lines(rows))
    assert len(values(task(f"made:{tmp_path / 'a[1].jsonl'}"))) == 3
    assert len(values(task(f"made:{tmp_path / 'a*.jsonl'}"))) == 4


def test_a_local_copy_needs_no_hub(tmp_path: Path) -> None:
    path = tmp_path / "copy.parquet"
    path.write_bytes(parquet(ROWS))
    made = task(f"made:{path}")
    assert made.card.revision.startswith("sha256:")
    assert values(made) == ROWS
    for name, body in files(ROWS).items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(body)
    assert values(task(f"made:{tmp_path / 'copy'}")) == ROWS
    with pytest.raises(BenchError, match=r"no/such does not exist; a local copy"):
        task("made:no/such")
    with pytest.raises(BenchError, match="a local copy has no revision"):
        task(f"made:{path},revision=main")


def in_mirror(folder: Path, revision: str, rows: list[dict[str, object]]) -> None:
    for name, body in files(rows).items():
        path = folder / "huggingface.co/datasets" / REPO / revision / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def test_the_mirror_comes_first(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = "0" * 40, "1" * 40
    monkeypatch.setenv("SMALLCLAIMS_MIRROR", str(tmp_path / "mirror"))
    in_mirror(tmp_path / "mirror", old, ROWS[:2])
    made = task()
    assert (len(values(made)), made.card.revision) == (2, old)
    in_mirror(tmp_path / "mirror", new, ROWS)
    with pytest.raises(BenchError, match=f"holds 2 revisions: {old}, {new}. Name one"):
        values(task())
    assert len(values(task(f"made:revision={new}"))) == 40
    assert hub.requests == []
    sha = hub.put(REPO, files(ROWS[:5]))
    assert len(values(task(f"made:revision={sha}"))) == 5, "what the mirror lacks is on the hub"


def test_a_cut_transfer_is_resumed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    # The library keeps what came in whole pieces, of 10 MB; here smaller ones do.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 16)
    body = parquet(LARGE)
    hub.put(REPO, {"README.md": README, "data/test.parquet": body})
    hub.faults.append(Fault(cut=len(body) // 2, on="data/"))
    assert len(values(task())) == len(LARGE)
    assert len([r for r in downloads(hub) if r.endswith("test.parquet")]) == 2
    (resumed,) = (int(r.removeprefix("bytes=").partition("-")[0]) for r in hub.ranges if r)
    assert len(body) // 4 < resumed <= len(body) // 2, "what had come was not brought again"


@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_is_busy_is_asked_again(hub: Hub, status: int) -> None:
    hub.put(REPO, files(ROWS))
    hub.faults.append(Fault(status=status, headers={"Retry-After": "0"}))
    assert values(task()) == ROWS


def test_a_hub_that_stays_busy_is_told(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.put(REPO, files(ROWS))
    waits: list[float] = []
    monkeypatch.setattr("tasks.hub_files.time.sleep", waits.append)
    hub.faults += [Fault(status=503, headers={"Retry-After": "7"})] * 40
    with pytest.raises(BenchError, match=r"owner/name cannot be had.*503"):
        values(task())
    assert waits.count(7.0) == 4, "as long as the hub says"
    assert cached(tmp_path) == []


@pytest.mark.parametrize(("rows", "digits"), [(ROWS, 40), (LARGE, 64)], ids=["small", "large"])
def test_a_file_with_another_hash_is_thrown_away(
    hub: Hub, tmp_path: Path, rows: list[dict[str, object]], digits: int
) -> None:
    hub.put(REPO, files(rows))
    hub.faults.append(Fault(change=True, on="data/"))
    with pytest.raises(BenchError, match=f"hash [0-9a-f]{{{digits}}} expected") as caught:
        values(task())
    assert "It was not kept" in str(caught.value)
    assert [p.read_bytes() for p in cached(tmp_path)] == [README]
    assert values(task()) == rows


@pytest.mark.parametrize(
    ("spec", "source", "said"),
    [
        ("made", {"split": "train"}, r"split 'train' .* Available splits: \['test'\]"),
        ("made", {"config": "big"}, r"configuration 'big'.*Available: \['default'\]"),
        ("made:revision=v9", {}, "owner/name has no revision 'v9'"),
        ("made:revison=x", {}, "no option 'revison'. Options: revision"),
        ("made", {"files": ("other-*",)}, r"no file other-\*. There are: README.md"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    hub: Hub, spec: str, source: dict[str, object], said: str
) -> None:
    hub.put(REPO, files(ROWS))
    with pytest.raises(BenchError, match=said):
        values(task(spec, **source))


def test_a_missing_column_is_told_with_those_that_exist_and_the_first_row(hub: Hub) -> None:
    hub.put(REPO, files(ROWS))
    with pytest.raises(BenchError) as caught:
        values(task(), "prompt", "chosen")
    for part in ("no column chosen", "Columns: prompt, answers", "'question 0'", "revision="):
        assert part in str(caught.value)


def test_a_set_that_is_not_there(hub: Hub) -> None:
    for hidden in (False, True):
        hub.hides_missing = hidden
        with pytest.raises(BenchError, match=r"no data set owner/name .* HF_TOKEN"):
            values(task())


def test_a_gated_set_says_what_to_accept_and_where_the_token_goes(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.put(REPO, files(ROWS))
    hub.gated[REPO] = "hf_secret"
    for token in (None, "hf_wrong"):
        if token:
            monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(BenchError) as caught:
            values(task())
        text = str(caught.value)
        assert "open https://huggingface.co/datasets/owner/name" in text
        assert "accept its terms, and set HF_TOKEN" in text
        assert "hf_" not in text, "no key in an error"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert values(task()) == ROWS


def test_no_network_says_both_ways_out(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BenchError) as caught:
        values(task())
    assert "connect this machine to the network, or set SMALLCLAIMS_MIRROR" in str(caught.value)
    assert "huggingface.co/datasets/owner/name/<revision>" in str(caught.value)


FULL = """
import sys
from bench.types import BenchError, TaskCard
from bench.spec import parse_spec
from tasks.hub import HubTask
from tasks.hub_files import HubSource
class Rows(HubTask):
    def items(self, split=None): yield from ()
made = Rows(TaskCard("m", "m", (), "", "", ""), HubSource("owner/name", "test"), parse_spec("m"))
try:
    print(len(list(made.rows())))
except BenchError as error:
    print("error:", error)
"""


def test_a_full_disk_leaves_nothing_half(hub: Hub, tmp_path: Path) -> None:
    """On a real file system of one megabyte."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small file system here")
    try:
        hub.put(REPO, files(LARGE))
        environment = {**os.environ, "HF_HOME": str(small), "HF_HUB_CACHE": str(small / "hub")}
        ran = subprocess.run(
            [sys.executable, "-c", FULL], capture_output=True, text=True, env=environment
        )
        assert "error: owner/name does not fit on the disk" in ran.stdout, ran.stderr
        assert "HF_HOME" in ran.stdout
        blobs = [p for p in small.rglob("*") if p.is_file() and p.stat().st_size > 1_000]
        assert blobs == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
