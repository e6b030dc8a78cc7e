"""A core installation, without [annotators]: what needs no model works, what needs one says what to install."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HIDE = """
import importlib.abc, importlib.util, sys
HIDDEN = ("torch", "transformers", "mediapipe", "onnxruntime", "huggingface_hub", "safetensors", "tqdm", "filelock")
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in HIDDEN else found(name, package)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", HIDE + code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_weights_are_looked_for_and_lists_are_printed(tmp_path: Path) -> None:
    done = run(f"from annotators.common import weights; print(weights.available('schp_lip', {str(tmp_path)!r}))")
    assert done.stdout.strip() == "False", done.stderr
    assert run("from annotators.__main__ import main; sys.exit(main(['list']))").returncode == 0


def test_what_to_install_is_said(tmp_path: Path) -> None:
    (tmp_path / "model_final_162be9.pkl").write_bytes(b"x")
    code = f"""
import annotators
from pipelines.building import models
made = annotators.config("densepose", weights_dir={str(tmp_path)!r})
try:
    models.shared("densepose", made)
except models.Unusable as error:
    print(error)
"""
    assert "pip install 'vton-pipelines[annotators]'" in run(code).stdout
