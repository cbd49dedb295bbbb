"""The command as people type it, in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from bench.cli import train
from bench.types import BenchError

HEAVY = ("torch", "transformers", "litellm", "datasets", "vllm", "matplotlib")


def smallclaims(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *args]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **env}, timeout=300
    )


@pytest.fixture
def items_file(tmp_path: Path) -> Path:
    path = tmp_path / "own.jsonl"
    rows = [
        {
            "id": f"i{n}",
            "domain": f"d{n % 2}",
            "prompt": [{"role": "user", "content": f"question {n}"}],
            "responses": [{"id": "a", "text": f"yes {n}"}, {"id": "b", "text": f"no, {n} it is"}],
            "labels": [{"annotator": "w", "preferred": n % 2}],
        }
        for n in range(40)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


LIGHT = {
    "help": ["--help"],
    "help of run": ["run", "--help"],
    "judges": ["judges"],
    "tasks": ["tasks"],
    "unknown judge": ["run", "--judges", "longst"],
    "unknown task": ["run", "--tasks", "verifable"],
    "unknown option of a judge": [
        "run",
        "--judges",
        "planted:accuracy=1",
        "--tasks",
        "verifiable:n=6",
    ],
    "bad limit": ["run", "--limit", "0"],
    "missing file": ["run", "--tasks", "jsonl:/no/such/file.jsonl"],
    "missing run": ["report", "/no/such/run"],
    "missing plan": ["run", "--plan", "/no/such/plan.json"],
    "card of a judge": ["judges", "gpt-4-vanilla"],
    "card of a task": ["tasks", "verifiable"],
    "unknown recipe": ["train", "prob", "--task", "verifiable", "--out", "x"],
    "help of export": ["export", "--help"],
    "export of a missing run": ["export", "verdicts", "/no/such/run", "x.parquet"],
    "card of a judge of a missing run": ["card", "longest", "--run", "/no/such/run"],
    "difference of missing runs": ["diff", "/no/such/run", "/no/other/run"],
    "export of an unknown task": ["export", "lm-eval", "verifable", "--out", "x"],
}


@pytest.mark.parametrize("args", LIGHT.values(), ids=LIGHT)
def test_help_and_errors_need_no_heavy_library(args: list[str], tmp_path: Path) -> None:
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['smallclaims', *{args!r}]\n"
        "try:\n    runpy.run_module('bench', run_name='__main__')\n"
        "except SystemExit as end:\n    print('EXIT', end.code)\n"
        f"print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    heavy = next(line for line in ran.stdout.splitlines() if line.startswith("HEAVY"))
    assert heavy == "HEAVY []"
    fails = ("run", "report", "card", "diff", "train", "export")
    expects_error = args[0] in fails and "--help" not in args
    assert ("EXIT 2" in ran.stdout) == expects_error, (ran.stdout, ran.stderr)
    assert ("error: " in ran.stderr) == expects_error
    assert not list(tmp_path.iterdir()), "nothing is left behind"


TRAIN = [
    (
        "reward",
        ["nonsense=1"],
        "'train reward --option nonsense=1.*no option 'nonsense'.*max_items",
    ),
    ("reward", ["epochs=0"], "option epochs=0 \\(tune=head\\)': no option 'epochs'"),
    ("reward", ["tune=full", "epochs=0"], "reward: epochs is 0; 1 or more"),
    ("reward", ["tune=hed"], "'train reward --option tune=hed': tune is 'hed'; head, full, lora"),
    ("reward", ["max_items"], "--option max_items': 'max_items' is no option; name=value expected"),
    ("reward", ["folds=3", "folds=4"], "--option folds=3 --option folds=4': .* twice"),
    ("probe", ["folds=few"], "'train probe --option folds=few': folds is 'few'; int expected"),
    ("probe", ["base=/no/such"], "model '/no/such'"),
    ("crossencoder", ["n=1,epochs=2"], "'train crossencoder --option n=1,epochs=2': no option 'n'"),
    ("aspects", ["judge=smolm2"], "no judge 'smolm2'. Did you mean smollm2"),
]


@pytest.mark.parametrize(("recipe", "option", "says"), TRAIN)
def test_what_is_wrong_with_a_training_is_told_as_it_was_typed(
    recipe: str, option: list[str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match=says):
        train(recipe, task="verifiable", out=tmp_path / "out", option=option)
    assert not (tmp_path / "out").exists()


def test_a_missing_key_is_told_by_its_name_before_anything_is_asked(tmp_path: Path) -> None:
    args = ["run", "--judges", "litellm:openai/some-model", "--tasks", "verifiable:n=6"]
    ran = smallclaims(*args, "--out", str(tmp_path / "run"), OPENAI_API_KEY="")
    assert ran.returncode == 2
    assert "OPENAI_API_KEY" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "run").exists()


def test_run_report_check(items_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    args = ["run", "--tasks", f"jsonl:{items_file}", "--judges", "planted:acc=1", "--out", str(out)]
    first = smallclaims(*args)
    assert first.returncode == 0, first.stderr
    assert "planted:acc=1" in first.stdout
    stored = {p.name: p.read_bytes() for p in (out / "tables").iterdir()}
    assert {"leaderboard.csv", "leaderboard.json", "leaderboard.md", "cost.csv"} <= stored.keys()
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["plan"]["judges"][0] == "planted:acc=1"
    (session,) = manifest["sessions"]
    assert session["libraries"]["numpy"]
    assert session["wall_s"] > 0
    again = smallclaims(*args)
    assert "nothing to ask" in again.stderr
    assert {p.name: p.read_bytes() for p in (out / "tables").iterdir()} == stored
    assert json.loads((out / "manifest.json").read_text()) == manifest, "it asked nothing"
    assert "all tables are what the ledger gives" in smallclaims("check", str(out)).stdout
    board = out / "tables" / "leaderboard.csv"
    board.write_bytes(board.read_bytes().replace(b"1.0", b"0.9", 1))
    wrong = smallclaims("check", str(out))
    assert wrong.returncode == 2
    assert "leaderboard.csv" in wrong.stderr
    assert smallclaims("report", str(out)).returncode == 0
    assert board.read_bytes() == stored["leaderboard.csv"]
    saved = smallclaims("run", "--plan", str(out / "plan.json"), "--out", str(tmp_path / "second"))
    assert saved.returncode == 0, saved.stderr
    assert (tmp_path / "second/tables/leaderboard.csv").read_bytes() == stored["leaderboard.csv"]


def test_export(items_file: Path, tmp_path: Path) -> None:
    run, parquet, folder = tmp_path / "run", tmp_path / "all.parquet", tmp_path / "lm eval"
    task = f"jsonl:{items_file}"
    smallclaims("run", "--tasks", task, "--judges", "longest", "--out", str(run))
    ran = smallclaims("export", "verdicts", str(run), str(parquet))
    assert (ran.returncode, ran.stdout) == (0, f"{parquet} written\n")
    assert parquet.read_bytes()[:4] == b"PAR1"
    args = ["export", "lm-eval", task, "--out", str(folder), "--limit", "6"]
    ran = smallclaims(*args)
    assert ran.returncode == 0, ran.stderr
    assert "6 items, a task for each of smallclaims_jsonl_" in ran.stdout
    assert "; left out: 0 undecided, 0 without label" in ran.stdout
    command = ran.stdout.splitlines()[-1]
    assert command.startswith("lm_eval run --model hf --model_args pretrained=MODEL,")
    assert f"--include_path '{folder}' --tasks smallclaims_jsonl_" in command
    assert len(list(folder.glob("*.jsonl"))) == 2
    again = smallclaims(*args)
    assert again.returncode == 2
    assert "a new one expected" in again.stderr
    tie = smallclaims("export", "lm-eval", task, "--out", str(tmp_path / "x"), "--prompt", "choice")
    assert tie.returncode == 2
    assert "choice-letter" in tie.stderr


def test_a_judge_is_added_to_a_run_without_asking_the_others_again(items_file, tmp_path) -> None:
    args = ["run", "--tasks", f"jsonl:{items_file}", "--out", str(tmp_path / "run"), "--judges"]
    smallclaims(*args, "planted:acc=1")
    more = smallclaims(*args, "planted:acc=1,planted:acc=.5")
    assert "planted:acc=.5: 80 of 80" in more.stderr
    assert "planted:acc=1:" not in more.stderr
    assert "planted:acc=.5" in more.stdout


def test_a_bad_row_ends_the_run_before_anything_is_asked(items_file, tmp_path) -> None:
    with items_file.open("a") as file:
        file.write('{"id": "late", "domain": "d0"}\n')
    ran = smallclaims("run", "--tasks", f"jsonl:{items_file}", "--out", str(tmp_path / "run"))
    assert ran.returncode == 2
    assert "own.jsonl" in ran.stderr
    assert "41" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "run").exists()


PLUGIN = {
    "pyproject.toml": """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "tiny-plugin"
version = "1"
[project.entry-points."smallclaims.judges"]
slow-vowels = "tiny_plugin:judge"
[project.entry-points."smallclaims.tasks"]
letters = "tiny_plugin:task"
[tool.setuptools]
py-modules = ["tiny_plugin"]
""",
    "tiny_plugin.py": '''
import os, time
from bench.types import *

class Vowels(Judge):
    """Prefers vowels. Writes down what it is asked, and takes its time."""
    card = JudgeCard("slow-vowels", "tiny", ("pairwise",), revision="1")
    def judge(self, trials):
        with open(os.environ["TINY_LOG"], "a", buffering=1) as log:
            for trial in trials:
                log.write(f"{time.time()} {trial.key}\\n")
                time.sleep(float(os.environ.get("TINY_SLEEP", 0)))
                yield verdict(trial, [sum(c in "aeiou" for c in r.text) for r in trial.shown])

class Letters(Task):
    card = TaskCard("letters", "Letters", ("chat",), "made up", "CC0", "1")
    def items(self, split=None):
        for n in range(300):
            pair = (Response("a", f"aa{n}"), Response("b", f"bb{n}"))
            label = Label("gold", (float(n % 4 != 0), float(n % 4 == 0)))
            yield Item(str(n), "letters", "chat", (Message("user", f"q{n}"),), pair, (label,))

def judge(spec, context):
    """Counts vowels."""
    return Vowels()

def task(spec):
    """Letters."""
    return Letters()
''',
}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory) -> str:
    """PYTHONPATH with a tiny package that adds a judge and a task, installed by pip."""
    folder = tmp_path_factory.mktemp("plugin")
    for name, text in PLUGIN.items():
        (folder / name).write_text(text)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(folder)], check=True)
    return str(folder / "site")


def test_a_plugin_adds_a_judge_and_a_task(plugin: str, tmp_path: Path) -> None:
    env = {"PYTHONPATH": plugin, "TINY_LOG": str(tmp_path / "log")}
    assert "slow-vowels" in smallclaims("judges", **env).stdout
    out = str(tmp_path / "run")
    ran = smallclaims("run", "--judges", "slow-vowels", "--tasks", "letters", "--out", out, **env)
    assert ran.returncode == 0, ran.stderr
    row = next(line for line in ran.stdout.splitlines() if line.startswith("slow-vowels"))
    assert ".750 [" in row


def test_ctrl_c_keeps_everything_and_says_how_to_go_on(plugin: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    env = {**os.environ, "PYTHONPATH": plugin, "TINY_LOG": str(log), "TINY_SLEEP": "0.02"}
    args = ["run", "--judges", "slow-vowels", "--tasks", "letters", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *args],
        env=env,
        stderr=subprocess.PIPE,
        text=True,
        # What starts the tests in the background may have them ignore it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    while len(_asked(log)) < 50:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    before = len(_asked(log))
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["sessions"][0]["wall_s"] is None, "an interrupted session is there, too"
    finished = smallclaims(*args, PYTHONPATH=plugin, TINY_LOG=str(log))
    assert finished.returncode == 0
    assert len(_asked(log)) <= 600 + 1, "at most the trial in flight is asked again"
    assert before >= 50


def _asked(log: Path) -> list[tuple[float, str]]:
    if not log.exists():
        return []
    lines = log.read_text().splitlines()
    return [(float(line.split()[0]), line.split()[1]) for line in lines if len(line.split()) == 2]


def test_ten_kills_lose_nothing(plugin: str, tmp_path: Path) -> None:
    """kill -9 at ten points spread over a run: the finished ledger holds what an undisturbed run
    holds, and only trials of the last second before a kill are asked twice."""
    log = tmp_path / "log"
    env = {**os.environ, "PYTHONPATH": plugin, "TINY_LOG": str(log), "TINY_SLEEP": "0.006"}
    run = [sys.executable, "-m", "bench", "run", "--judges", "slow-vowels", "--tasks", "letters"]
    kills = []
    for number in range(10):
        before = len(_asked(log))
        process = subprocess.Popen(
            [*run, "--out", str(tmp_path / "killed")], env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        # Some while the plan is being written, most a random while after asking began.
        end = time.monotonic() + 20
        while number % 4 and len(_asked(log)) == before and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep((number * 0.37) % 0.9 if number % 4 else 0.4 + number * 0.15)
        process.kill()
        process.wait()
        kills.append(time.time())
    for out in ("killed", "undisturbed"):
        finished = smallclaims(*run[3:], "--out", str(tmp_path / out), **{
            "PYTHONPATH": plugin, "TINY_LOG": str(log) if out == "killed" else str(tmp_path / "x"),
        })  # fmt: skip
        assert finished.returncode == 0, finished.stderr
    assert len({key for _, key in _asked(log)}) == 600

    def verdicts(out: str) -> list[tuple[object, ...]]:
        import sqlite3

        database = sqlite3.connect(tmp_path / out / "ledger.sqlite")
        return database.execute(
            "SELECT key, status, utilities FROM verdicts ORDER BY key"
        ).fetchall()

    assert verdicts("killed") == verdicts("undisturbed")
    asked = _asked(log)
    last = {key: at for at, key in asked}
    twice = [at for at, key in asked if at != last[key]]
    assert twice, "no kill hit a batch: the test shows nothing"
    for at in twice:
        assert any(0 <= kill - at <= 1.5 for kill in kills), "asked twice though long committed"
