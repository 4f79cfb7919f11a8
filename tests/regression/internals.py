"""Everything here that is not public: names that a change of the layout may move.

The rest of this folder uses the command line, `import pixfoundation`, and these functions. Where a
module has moved, its earlier and its later path are both tried, so that one copy of this folder
runs in checkouts from before and after the move.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco

import pixfoundation as pf


def first_of(*names: str) -> Any:
    """Import the first module or `module:attribute` that exists.

    Raises:
        ImportError: If none does.
    """
    for name in names:
        module, _, attribute = name.partition(":")
        try:
            found = import_module(module)
            return getattr(found, attribute) if attribute else found
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"None of these can be imported: {', '.join(names)}")


# ---- asking a model ----------------------------------------------------------------------------


def ask(
    model: Any,
    images: Sequence[Image.Image],
    questions: Sequence[str],
    *,
    protocol: int = 3,
    expression: str = "the red circle",
    **decoding: Any,
) -> list[dict[str, Any]]:
    """Ask one question about each image and return the answers as JSON data."""
    prompt = first_of("pixfoundation.types:Prompt")
    how = first_of("pixfoundation.models.base:Decoding")
    by_boolean = "published" in how.__dataclass_fields__  # before there were conventions
    if not by_boolean and decoding.pop("published", False):
        decoding["conventions"] = first_of("pixfoundation.conventions:PUBLISHED").model
    prompts = [
        prompt(str(number), protocol, question, expression)
        for number, question in enumerate(questions)
    ]
    return [
        answer_to_json(answer) for answer in model.answer(list(images), prompts, how(**decoding))
    ]


def answer_to_json(answer: Any) -> dict[str, Any]:
    """Describe an answer by plain JSON data."""
    said: dict[str, Any] = {
        "text": answer.text,
        "token_ids": list(answer.token_ids),
        "spans": [list(span) for span in answer.spans],
        "error": answer.error,
    }
    if answer.masks is not None:
        said["masks"] = [
            {
                "mask": mask.mask.to_json(),
                "phrase": mask.phrase,
                "span": None if mask.span is None else list(mask.span),
                "score": None if mask.score is None else float(mask.score),
            }
            for mask in answer.masks
        ]
    if answer.regions is not None:
        said["regions"] = [
            [list(region.coordinates), region.label, [list(point) for point in region.points]]
            for region in answer.regions
        ]
    if answer.trace is not None:
        said["trace"] = _trace(answer.trace)
    return said


def _trace(trace: Any) -> dict[str, Any]:
    """Describe an attention trace: of each row its sum and its centre of mass (x, y)."""
    rows = np.asarray(trace.rows, np.float64)
    described = {"shape": list(rows.shape), "rows": [_moments(row) for row in rows]}
    if trace.first_row is not None:
        described["first_row"] = _moments(np.asarray(trace.first_row, np.float64))
    return described


def _moments(grid: np.ndarray) -> list[float]:
    y, x = np.mgrid[: grid.shape[0], : grid.shape[1]]
    total = float(grid.sum())
    if total == 0:
        return [0.0, 0.0, 0.0]
    return [total, float((grid * x).sum()) / total, float((grid * y).sum()) / total]


def segment(folder: Path, image: Image.Image, **where: Any) -> dict[str, Any]:
    """Segment an image with the checkpoint in a folder, by points or boxes."""
    output = pf.load_segmenter(str(folder), device="cpu").segment(image, **where)
    return {
        "masks": [
            [array_to_rle(mask) for mask in of_prompt] for of_prompt in np.asarray(output.masks)
        ],
        "scores": np.asarray(output.scores, np.float64).tolist(),
    }


def array_to_rle(mask: np.ndarray) -> dict[str, Any]:
    """Encode a boolean [height, width] array as COCO run lengths."""
    rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")}


# ---- pictures ----------------------------------------------------------------------------------


def tiles(width: int, height: int, seed: int = 0, side: int = 8) -> Image.Image:
    """Draw an image of seeded coloured tiles; no filter is involved."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, (height // side + 1, width // side + 1, 3), dtype=np.uint8)
    large = colours.repeat(side, 0).repeat(side, 1)[:height, :width]
    return Image.fromarray(np.ascontiguousarray(large))


# ---- tiny random checkpoints -------------------------------------------------------------------


def load_lisa(folder: Path) -> Any:
    """Load LISA from a tiny checkpoint that is fond of [SEG]."""
    layouts = first_of(
        "tests.models.common.llava_sam.tiny_checkpoint", "tests.models.original_layouts"
    )
    made = layouts.write_fond_of(600, folder, layouts.LISA, seed=1)
    return _load_with_tower("lisa-7b", made)


def load_glamm(folder: Path) -> Any:
    """Load GLaMM from a tiny checkpoint that is fond of [SEG]."""
    layouts = first_of(
        "tests.models.common.llava_sam.tiny_checkpoint", "tests.models.original_layouts"
    )
    made = layouts.write_fond_of(604, folder, layouts.GLAMM, seed=2)
    return _load_with_tower("glamm", made)


def load_glamm_with_regions(folder: Path) -> Any:
    """Load GLaMM with its region encoder."""
    layouts = first_of(
        "tests.models.common.llava_sam.tiny_checkpoint", "tests.models.original_layouts"
    )
    made = layouts.write_fond_of(604, folder, layouts.GLAMM_WITH_REGIONS, seed=4)
    return _load_with_tower("glamm", made)


def _load_with_tower(name: str, made: Any) -> Any:
    return pf.load_model(
        name,
        checkpoint=str(made.folder),
        vision_tower=str(made.tower),
        device="cpu",
        dtype="float32",
    )


def load_llava_grounding(folder: Path, variant: str, threshold: float) -> Any:
    """Load LLaVA-Grounding from a tiny checkpoint of a variant."""
    tiny = first_of(
        "tests.models.llava_grounding.tiny_checkpoint", "tests.models.llava_grounding.tiny"
    )
    sizes = tiny.VARIANTS[variant]
    if not folder.exists():
        tiny.write(folder, sizes)
    return pf.load_model(
        "llava-grounding",
        checkpoint=str(folder),
        vision_tower=str(folder / "clip"),
        queries=sizes.queries,
        image_side=sizes.side,
        threshold=threshold,
        device="cpu",
        dtype="float32",
    )


def llava_grounding_cases() -> list[dict[str, Any]]:
    """Return the cases of the stored answers of the original code, with their pictures."""
    tiny = first_of(
        "tests.models.llava_grounding.tiny_checkpoint", "tests.models.llava_grounding.tiny"
    )
    file = Path(tiny.__file__).parent / "golden.json"
    cases = json.loads(file.read_text(encoding="utf-8"))
    return [case | {"image": tiny.picture(*case["size"], case["picture"])} for case in cases]


def load_omg_llava(folder: Path) -> Any:
    """Load OMG-LLaVA from a tiny checkpoint that says '<p> red</p> [SEG] and' for ever."""
    tiny = first_of("tests.models.omg_llava.tiny_checkpoint", "tests.models.omg_llava.tiny")
    helpers = first_of("tests.models.omg_llava.test_adapter")
    ids = (helpers.OPEN, helpers.RED, helpers.CLOSE, helpers.SEG, helpers.AND)
    made = tiny.save(helpers.scripted(tiny.make_tensors(), *ids), folder)
    return pf.load_model("omg-llava", checkpoint=str(made), device="cpu", image_side=128)


def load_omg_llava_unscripted(folder: Path) -> Any:
    """Load OMG-LLaVA from a tiny checkpoint of random weights."""
    tiny = first_of("tests.models.omg_llava.tiny_checkpoint", "tests.models.omg_llava.tiny")
    made = tiny.save(tiny.make_tensors(), folder)
    return pf.load_model("omg-llava", checkpoint=str(made), device="cpu", image_side=128)


def write_cambrian(folder: Path) -> tuple[Path, Path]:
    """Write a tiny Cambrian with a tokenizer; return its folder and that of its towers."""
    tiny = first_of("tests.models.cambrian.tiny_checkpoint", "tests.models.cambrian.miniature")
    words = first_of("tests.models.cambrian.words").tokenizer()
    prompt_ids = first_of(
        "pixfoundation.models.cambrian.prompt:prompt_ids",
        "pixfoundation.models.cambrian.text:prompt_ids",
    )
    made = tiny.write(folder, position=prompt_ids(words, "").index(-200))
    words.save_pretrained(made.folder)
    return made.folder, made.towers


def load_cambrian(folder: Path) -> Any:
    """Load a tiny Cambrian."""
    checkpoint, towers = write_cambrian(folder)
    return pf.load_model(
        "cambrian-8b",
        checkpoint=str(checkpoint),
        towers=str(towers),
        device="cpu",
        dtype="float32",
    )


def load_sa2va(folder: Path, kind: str) -> Any:
    """Load a Sa2VA from a tiny checkpoint of a kind, which is fond of [SEG]."""
    tiny = first_of("tests.models.sa2va.tiny_sa2va")
    made = tiny.save(kind, folder)
    return pf.load_model(str(made.folder), sam2_sizes=tiny.SAM2.given, device="cpu")


def load_qwen_pixel(folder: Path, family: str) -> Any:
    """Load UniGR or UniPixel from a tiny checkpoint that is fond of its segmentation token."""
    tiny = first_of("tests.models.qwen_pixel.tiny_checkpoint")
    sizes = {"unigr": tiny.UNIGR, "unipixel": tiny.UNIPIXEL}[family]
    made = tiny.write(folder, sizes, penalty=1.05)
    return pf.load_model(
        str(made.folder), sam2_sizes=sizes.sam.given, device="cpu", dtype="float32"
    )


def tiny_checkpoint(family: str) -> Path:
    """Write the tiny checkpoint of a family of transformers; return its folder."""
    torch.manual_seed(0)
    return first_of("tests.tiny_checkpoints:saved")(family)


# ---- data and servers --------------------------------------------------------------------------


def published_writer(annotations: Path, out: Path, seed: int) -> Any:
    """Return the writer of seeded outputs in the published code's file formats."""
    return first_of("tests.scoring.published_outputs:Writer")(annotations, out, seed)


def write_pixcvbench(root: Path) -> Path:
    """Write four samples in PixCV-Bench's published layout."""
    layouts = first_of("tests.datasets.layouts", "tests.benchmarks.layouts")
    return layouts.write_pixcvbench(root)


def stub_server(reply: Any) -> Any:
    """Return a context manager that serves an OpenAI-compatible endpoint on this machine."""
    return first_of("tests.judges.server:judge_server")(reply)


def text_of(body: dict[str, Any]) -> str:
    """Return the user's text of a request to `stub_server`."""
    return first_of("tests.judges.server:text_of")(body)
