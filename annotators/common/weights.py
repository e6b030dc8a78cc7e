"""Weights of the annotators: one table of what there is, where it lies on this machine, and how to get it.

Looked up in this order: the folder of `--weights`, `$VTON_WEIGHTS`, the Hugging Face cache, and the folder next
to that cache where `fetch` puts single files. The first two may be URLs of a store, of which what is needed is copied
to this machine once. A folder may hold repositories in any of the hub's forms (`org/name`,
`org--name`, `models--org--name/snapshots/*`, `name`) and single files by name.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas import json_text
from schemas.cli.flags import UsageError
from schemas.folders import atomic, copies, open_folder

Folder = str | os.PathLike[str] | None

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".pkl", ".onnx", ".task", ".tflite")
DIGESTS = "digests.json"  # side file: name in the table, or hub id → sha256
HUB = "https://huggingface.co"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class MissingWeights(ValueError):
    """Weights that are not on this machine; the message is one line: what, the command, the folders looked in."""


class FetchError(ValueError):
    """A download that did not succeed; the message is one line."""


@dataclass(frozen=True)
class Source:
    """A hub repository (`repo`), a file of one (`repo`, `file`) or a plain address (`url`)."""

    repo: str = ""
    file: str = ""
    url: str = ""

    def __str__(self) -> str:
        return self.url or f"{self.repo}{'/' if self.file else ''}{self.file}"


@dataclass(frozen=True)
class Weights:
    """One entry of the table: single files have `files`, accepted names in order; whole repositories have none."""

    name: str
    purpose: str
    licence: str  # as the publisher states it; "" where none is stated
    sources: tuple[Source, ...]  # the first is the original, the others are mirrors
    files: tuple[str, ...] = ()
    megabytes: int | None = None  # about; None where unknown
    sha256: str | None = None  # of the first source's file; None where nobody states it
    page: str = ""
    size: int | None = None  # of that file in bytes

    @property
    def terms(self) -> str:
        """The page that states licence and terms."""
        source = self.sources[0]
        return self.page or (f"{HUB}/{source.repo}" if source.repo else source.url)


def _repo(name: str, repo: str, licence: str, purpose: str) -> Weights:
    return Weights(name, purpose, licence, (Source(repo=repo),))


def _mediapipe(name: str, kind: str, files: tuple[str, ...], purpose: str, size: int, sha256: str) -> Weights:
    """A file of revision 1. Google states no digests; these are in many projects that pin the same addresses."""
    stem = files[0].split(".")[0]
    url = f"https://storage.googleapis.com/mediapipe-models/{kind}/{stem}/float16/1/{files[0]}"
    page = f"https://ai.google.dev/edge/mediapipe/solutions/vision/{kind}"
    return Weights(name, purpose, "Apache-2.0", (Source(url=url),), files, None, sha256, page, size)


_OOTD, _IDM, _CATVTON, _LEFFA = "levihsu/OOTDiffusion", "yisol/IDM-VTON", "zhengchong/CatVTON", "franciszzj/Leffa"
_SCHP_LICENCE = "MIT (code; the weights' mirrors are CC BY-NC-SA 4.0)"
_SCHP_PAGE = "https://github.com/GoGoDuck912/Self-Correction-Human-Parsing"
_DENSEPOSE_PAGE = "https://github.com/facebookresearch/detectron2/blob/main/projects/DensePose/doc/DENSEPOSE_IUV.md"
_OPENPOSE_PAGE = "https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/LICENSE"
_DENSEPOSE_URL = "https://dl.fbaipublicfiles.com/densepose/densepose_rcnn_R_50_FPN_s1x/165712039/model_final_162be9.pkl"


def _schp(space: str, file: str, size: int, sha256: str) -> Weights:
    """The digest is the hub's (Git LFS)."""
    return Weights(
        f"schp_{space}", f"human parsing, {space.upper()} labels, torch", _SCHP_LICENCE,
        (Source(_CATVTON, f"SCHP/{file}"),), (file,), 267, sha256, _SCHP_PAGE, size,
    )  # fmt: skip


def _schp_onnx(space: str) -> Weights:
    file = f"parsing_{space}.onnx"
    sources = (Source(_OOTD, f"checkpoints/humanparsing/{file}"),) + tuple(
        Source(repo, f"humanparsing/{file}") for repo in (_IDM, _LEFFA)
    )
    purpose = f"human parsing, {space.upper()} labels, ONNX"
    return Weights(f"schp_{space}_onnx", purpose, _SCHP_LICENCE, sources, (file,), 267, page=_SCHP_PAGE)


_ENTRIES = (
    _repo("segformer_b2_clothes", "mattmdjaga/segformer_b2_clothes", "MIT", "clothes parsing, ATR labels"),
    _repo(
        "fashn_human_parser", "fashn-ai/fashn-human-parser",
        "NVIDIA Source Code License for SegFormer (non-commercial)", "clothes parsing, 18 classes of FASHN's",
    ),
    _schp(
        "lip", "exp-schp-201908261155-lip.pth", 267_449_349,
        "24fa3254ceeb74c8435458994a64b522fb439a3635b7b86ff470457e0413da00",
    ),
    _schp(
        "atr", "exp-schp-201908301523-atr.pth", 267_445_237,
        "e9d7c91ce3b4e7133df56b599fc817b533e3439c5e8d282a59126d2fda339a2a",
    ),
    _schp_onnx("lip"),
    _schp_onnx("atr"),
    Weights(
        "densepose_r50_fpn_s1x", "DensePose R_50_FPN_s1x", "CC BY-SA 3.0",
        (Source(url=_DENSEPOSE_URL), Source(_CATVTON, "DensePose/model_final_162be9.pkl"),
         Source(_IDM, "densepose/model_final_162be9.pkl")),
        ("model_final_162be9.safetensors", "model_final_162be9.pkl"), 256,
        "b8a7382001b16e453bad95ca9dbc68ae8f2b839b304cf90eaf5c27fbdb4dae91", _DENSEPOSE_PAGE, 255_757_821,
    ),
    _mediapipe(
        "pose_landmarker", "pose_landmarker",
        ("pose_landmarker_heavy.task", "pose_landmarker_full.task", "pose_landmarker_lite.task"),
        "33 body landmarks, MediaPipe Tasks", 30_664_242,
        "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
    ),
    _mediapipe(
        "hand_landmarker", "hand_landmarker", ("hand_landmarker.task",), "21 landmarks per hand", 7_819_105,
        "fbc2a30080c3c557093b5ddfc334698132eb341044ccee322ccf8bcf3607cde1",
    ),
    _mediapipe(
        "face_landmarker", "face_landmarker", ("face_landmarker.task",), "face landmarks", 3_758_596,
        "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    ),
    _mediapipe(
        "selfie_segmenter", "image_segmenter", ("selfie_segmenter.tflite",), "person against background", 249_537,
        "191ac9529ae506ee0beefa6b2c945a172dab9d07d1e802a290a4e4038226658b",
    ),
    Weights(
        "openpose_body", "CMU's body model, COCO-18", "CMU OpenPose: academic and non-commercial use",
        (Source(_OOTD, "checkpoints/openpose/ckpts/body_pose_model.pth"),
         Source(_IDM, "openpose/ckpts/body_pose_model.pth"),
         Source("lllyasviel/ControlNet", "annotator/ckpts/body_pose_model.pth")),
        ("body_pose_model.pth",), 200, page=_OPENPOSE_PAGE,
    ),
    Weights(
        "u2net_cloth", "garment segmentation of flat photos (Magic Clothing)", "CC BY-NC-SA 4.0",
        tuple(Source(repo, "cloth_segm.pth") for repo in ("ShineChen1024/MagicClothing", "shinehugging/oms-diffusion")),
        ("cloth_segm.pth",), 177,
    ),
    _repo("blip_base", "Salesforce/blip-image-captioning-base", "BSD-3-Clause", "captions"),
    _repo("blip_large", "Salesforce/blip-image-captioning-large", "BSD-3-Clause", "captions"),
    _repo("blip2_opt_2.7b", "Salesforce/blip2-opt-2.7b", "MIT (OPT's own licence: non-commercial)", "captions"),
    _repo("blip2_opt_6.7b", "Salesforce/blip2-opt-6.7b", "MIT (OPT's own licence: non-commercial)", "captions"),
    _repo("blip2_flan_t5_xl", "Salesforce/blip2-flan-t5-xl", "MIT", "captions"),
    _repo("sam2_hiera_tiny", "facebook/sam2.1-hiera-tiny", "Apache-2.0", "tracking through video"),
    _repo("clip_vit_l14", "openai/clip-vit-large-patch14", "MIT (code; none stated for the weights)", "tags"),
)  # fmt: skip
TABLE: dict[str, Weights] = {entry.name: entry for entry in _ENTRIES}
_BY_REPO = {entry.sources[0].repo: entry for entry in _ENTRIES if not entry.files}


def find(name: str) -> Weights:
    """The table's entry of that name; any hub id `org/name` is one too, also written `hf://org/name`.

    Raises ValueError for another name.
    """
    name = name.removeprefix("hf://")
    if name in TABLE:
        return TABLE[name]
    if name in _BY_REPO:
        return _BY_REPO[name]
    if not _HUB_ID.fullmatch(name):
        raise ValueError(f"unknown weights {name!r}; there are {', '.join(TABLE)}, or any hub id org/name")
    return Weights(name, "a model from the hub", "", (Source(repo=name),))


def locate(name: str, weights_dir: Folder = "") -> Path:
    """The file, or the folder of a whole repository; `name` may also be the path of a model folder.

    Raises MissingWeights, or ValueError for a name that isn't known.
    """
    if os.path.isabs(name) or name.startswith("."):
        return _own_folder(name)
    name = name.removeprefix("hf://")
    entry = find(name)
    folders = search_path(weights_dir)
    for folder in folders:
        if isinstance(folder, str):
            copy = _copied(name, folder)
            if copy is not None:
                return copy
            continue
        for candidate in candidates(entry, folder):
            if usable(entry, candidate):
                return candidate
    looked = ", ".join(str(folder) for folder in folders)
    names = " or ".join(entry.files) or str(entry.sources[0])
    option = f" --weights {weights_dir}" if weights_dir else ""
    raise MissingWeights(
        f"weights {name!r} ({names}) are missing: run `python -m annotators fetch {name}{option}`; looked in {looked}"
    )


def available(name: str, weights_dir: Folder = "") -> bool:
    """Whether `locate` finds them. Raises ValueError for a name that isn't known."""
    try:
        locate(name, weights_dir)
    except MissingWeights:
        return False
    return True


def search_path(weights_dir: Folder = "") -> list[Path | str]:
    """The folders that `locate` looks in, in order, those of stores by their URLs.

    The hub's cache is among them only where huggingface_hub is installed.
    """
    named = [folder for folder in (weights_dir, os.environ.get("VTON_WEIGHTS")) if folder]
    folders = [os.fspath(folder) if copies.is_far(folder) else Path(folder).expanduser() for folder in named]
    if importlib.util.find_spec("huggingface_hub"):
        from huggingface_hub import constants

        folders += [Path(constants.HF_HUB_CACHE), single_files_home()]
    return list(dict.fromkeys(folders))


def digest(path: Folder) -> str:
    """sha256, hexadecimal: of a file, or of the weight files in a folder, in name order.

    A folder with one weight file has that file's digest. Where a folder holds safetensors, other formats don't count,
    as loaders prefer them. Raises FileNotFoundError where nothing is, and UsageError for a file that isn't any more
    what was downloaded.
    """
    path = Path(path or "")
    if not path.is_dir():
        return _checked_digest(path)
    files = _weight_files(path)
    if not files:
        raise FileNotFoundError(f"no weight files in {path}; known endings are {', '.join(WEIGHT_SUFFIXES)}")
    digests = [file_digest(file) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def stated(name: str, weights_dir: Folder = "") -> str | None:
    """The digest that weights lying on other machines must have: the nearest side file's, else the table's.

    A side file, `DIGESTS` in a folder of `search_path`, is what `python -m annotators digest` printed there. None where
    nobody says. Raises UsageError for a side file that holds anything else.
    """
    if os.path.isabs(name) or name.startswith("."):
        return None
    entry = find(name)
    for folder in search_path(weights_dir):
        sha256 = _side_file(folder).get(entry.name)
        if sha256 is not None:
            return sha256
    return entry.sha256


def _side_file(folder: Path | str) -> dict[str, str]:
    try:
        data = open_folder(folder).read(DIGESTS) if isinstance(folder, str) else (folder / DIGESTS).read_bytes()
        digests = json_text.parse(data)
    except OSError:
        return {}
    except ValueError:
        digests = None
    if not isinstance(digests, dict) or not all(_is_digest(value) for value in digests.values()):
        raise UsageError(f"{folder}/{DIGESTS} is damaged; allowed is what `python -m annotators digest` prints")
    return digests


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def keep_digest(path: Path, sha256: str) -> None:
    """Notes what a file was when it was downloaded: the first time it is trusted, later it is compared."""
    atomic.write(_kept_digest(path), f"{sha256}  {path.name}\n".encode())


def _checked_digest(path: Path) -> str:
    present = file_digest(path)
    try:
        kept = _kept_digest(path).read_text().partition(" ")[0]
    except (OSError, UnicodeDecodeError):
        return present
    if kept != present:
        raise UsageError(
            f"weights {path} changed since they were downloaded: sha256 is {present}, it was {kept};"
            f" remove the file to download it again, or {_kept_digest(path).name} beside it to trust it"
        )
    return present


def _kept_digest(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")  # as sha256sum writes and checks it


def _own_folder(path: str) -> Path:
    folder = Path(path)
    if not folder.exists():
        raise MissingWeights(f"weights {path!r} are missing: no such file or folder")
    return folder


def single_files_home() -> Path:
    """Where `fetch` puts files that have no place in the hub's own cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "vton-weights"


@lru_cache(maxsize=64)
def _copied(name: str, url: str) -> Path | None:
    """A copy on this machine of the file or repository that lies below a URL; None where it doesn't."""
    store = open_folder(url)

    def snapshots(cached: Path) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            yield cached / "snapshots" / store.read(f"{cached.as_posix()}/refs/main").decode().strip()
        yield from (cached / "snapshots" / one for one in store.folders(f"{cached.as_posix()}/snapshots"))

    entry = find(name)
    for candidate in candidates(entry, Path(), snapshots):
        folder, _, base = candidate.as_posix().rpartition("/")
        there = store.files(folder) if entry.files else store.files(candidate.as_posix())
        if (base if entry.files else "config.json") in there:
            copy = copies.below(url, candidate.as_posix())
            if usable(entry, copy):
                return copy
    return None


def candidates(
    entry: Weights, folder: Path, snapshots: Callable[[Path], Iterator[Path]] | None = None
) -> Iterator[Path]:
    """Places in `folder` where the entry may lie, best first; some don't exist.

    `snapshots` gives those of a repository in the form of the hub's cache, by default as they lie on this machine.
    """
    for file in entry.files:
        yield folder / file
    for source in entry.sources:
        if source.repo:
            for repository in _repositories(source.repo, folder, snapshots or _snapshots):
                yield repository / source.file if source.file else repository
    if not entry.files:
        yield folder / entry.name


def _repositories(repo: str, folder: Path, snapshots: Callable[[Path], Iterator[Path]]) -> Iterator[Path]:
    org, name = repo.split("/")
    yield folder / org / name
    yield folder / f"{org}--{name}"
    yield from snapshots(folder / f"models--{org}--{name}")
    yield folder / name


def _snapshots(cached: Path) -> Iterator[Path]:
    """Snapshots of the hub's cache layout: what `main` names, then the others by name."""
    main = cached / "refs" / "main"
    if main.is_file():
        yield cached / "snapshots" / main.read_text().strip()
    if (cached / "snapshots").is_dir():
        yield from sorted((cached / "snapshots").iterdir())


def usable(entry: Weights, candidate: Path) -> bool:
    if entry.files:
        return candidate.is_file()
    return (candidate / "config.json").is_file() and _all_shards(candidate)


def _all_shards(folder: Path) -> bool:
    """Whether weights are there and every file that an index names is too."""
    files = {file.name for file in _weight_files(folder)}
    for index in folder.glob("*.index.json"):
        try:
            needed = set(json.loads(index.read_text())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if not needed <= files and index.name.startswith("model.safetensors"):
            return False
    return bool(files)


def _weight_files(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in WEIGHT_SUFFIXES and file.is_file())
    safe = [file for file in files if file.suffix == ".safetensors"]
    return safe or files


def file_digest(path: Path) -> str:
    status = path.stat()
    return _digest_of(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest_of(path: str, size: int, modified: int) -> str:
    """Cached by path, size and time, since some files take seconds to read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
