"""The rooms of DESIGN.md, read from the source with ast: who may import whom, and which room owns which library."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tfhealth

PACKAGE = Path(tfhealth.__file__).parent
# In order: a room imports only itself and rooms before it. Files directly in the package are rooms of one file.
ROOMS = (
    "errors",
    "paths",
    "provenance",
    "console",
    "startup",
    "config",
    "config_part3",
    "config_part4",
    "config_part5",
    "data",
    "models",
    "training",
    "tuning",
    "compression",
    "audit",
    "report",
    "bench",
    "parts",
    "options_workers",
    "options",
    "run",
)
# library -> the files (relative to the package, a folder ends in "/") that alone may import it
OWNERS = {
    "tf_keras": ("compression/twin.py",),
    "tensorflow_model_optimization": ("compression/twin.py",),
    "tf2onnx": ("compression/conversion.py",),
    "onnx": ("compression/conversion.py", "compression/packaging.py"),
    "onnxruntime": ("compression/conversion.py", "compression/runtime.py", "compression/timing.py"),
    "ai_edge_litert": ("compression/runtime.py", "compression/timing.py", "compression/predict_image.py"),
    "keras_tuner": ("tuning/",),
    "ray": ("tuning/workers.py", "tuning/parallel.py"),
    "dp_accounting": ("training/private.py",),
    "fairlearn": ("audit/fairness.py", "audit/mitigation.py"),
    "matplotlib": ("report/",),
    "typst": ("report/pdf.py",),
    "jupytext": ("parts/notebooks.py",),
    "jupyter_client": ("parts/notebooks.py",),
    "nbclient": ("parts/notebooks.py",),
    "nbformat": ("parts/notebooks.py",),
    "tensorboard": ("training/tracking.py", "training/gradients.py"),
    "tensorflow": ("data/", "training/", "compression/", "startup.py"),
    "tensorflow_datasets": ("data/tfds_sets.py",),
    "defusedxml": ("data/text_archives.py",),
    "simple_icd_10_cm": ("data/notes.py", "data/text_icd10.py"),
    "rich": ("console.py", "data/download.py"),
    "argparse": ("options.py", "options_workers.py", "run.py"),
}
# A room that may import these libraries and no others besides the standard library and tfhealth itself.
ONLY = {
    "models/": {"keras", "keras_hub"},
    "training/metrics.py": {"numpy", "sklearn"},
    "training/weighted.py": {"numpy"},
    "training/diagnosis.py": {"numpy"},
    "training/collapse.py": {"numpy", "scipy"},
    "training/latents.py": {"numpy", "sklearn"},
    "compression/packaging.py": {"onnx"},
    "provenance.py": set(),
    "compression/recommendation.py": set(),
    "report/compression_narrative.py": set(),
    "report/model_card.py": set(),
    "compression/predict_image.py": {"numpy", "PIL", "ai_edge_litert"},
    "compression/runtime.py": {"numpy", "ai_edge_litert", "onnxruntime"},  # and so no TensorFlow
    "compression/timing.py": {"numpy", "ai_edge_litert", "onnxruntime"},
    "audit/anonymity.py": {"numpy"},
    "audit/contrast.py": {"numpy"},
    "audit/groups.py": {"numpy"},
    "audit/plausibility.py": {"numpy", "scipy"},
    "audit/privacy.py": {"numpy", "scipy"},
    "audit/rates.py": {"numpy"},
    "audit/records.py": {"numpy", "scipy"},
    "audit/statistics.py": {"numpy", "scipy"},
    "audit/views.py": {"numpy"},
    "report/content.py": set(),
    "report/headlines.py": set(),
    "report/html.py": set(),
    "report/manifest.py": set(),
    "report/outline.py": set(),
    "report/pdf.py": {"typst"},
    "report/references.py": set(),
    "report/sections.py": set(),
    "report/ethics.py": set(),
    "report/ethics_phrases.py": set(),
    "report/recommendations.py": set(),
    "report/records_narrative.py": set(),
    "report/synthesis_card.py": set(),
    "report/synthesis_narrative.py": set(),
    "report/wording.py": set(),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports_of(path: Path) -> list[str]:
    """Full dotted names of every import in the file, also those inside functions."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def room_of(relative: str) -> str:
    return relative.split("/")[0].removesuffix(".py")


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def owns(owners: tuple[str, ...], file: str) -> bool:
    return any(file == owner or (owner.endswith("/") and file.startswith(owner)) for owner in owners)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_room_imports_only_rooms_above_it(path):
    file = relative(path)
    if file == "__init__.py":
        return
    own = ROOMS.index(room_of(file))
    for name in imports_of(path):
        if name.startswith("tfhealth.") and (room := name.split(".")[1]) in ROOMS:
            assert ROOMS.index(room) <= own, f"{file} imports {name}, a room below it"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_library_is_imported_only_by_its_owner(path):
    file = relative(path)
    for name in imports_of(path):
        library = name.split(".")[0]
        assert library not in OWNERS or owns(OWNERS[library], file), f"{file} imports {library}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_pure_rooms_import_nothing_else(path):
    file = relative(path)
    for room, allowed in ONLY.items():
        if owns((room,), file):
            libraries = {name.split(".")[0] for name in imports_of(path)} - set(sys.stdlib_module_names) - {"tfhealth"}
            assert libraries <= allowed, f"{file} imports {libraries - allowed}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_file_never_says_tf_dot_keras(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        is_legacy = isinstance(node, ast.Attribute) and node.attr == "keras" and getattr(node.value, "id", "") == "tf"
        assert not is_legacy, f"{path}:{node.lineno} uses tf.keras"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_file_and_its_functions_are_small_enough_to_read(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, f"{path} has more than 300 lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            start = node.body[1].lineno if ast.get_docstring(node) and len(node.body) > 1 else node.lineno
            assert node.end_lineno - start < 45, f"{path}:{node.name} is too long"


def test_importing_the_package_loads_no_tensorflow_and_help_answers_without_it():
    code = (
        "import sys, tfhealth.run\n"
        "try: tfhealth.run.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "part2" in done.stdout


def test_every_room_stands_in_the_table():
    assert {room_of(relative(path)) for path in FILES} - {"__init__"} <= set(ROOMS)
