"""`ground`: any image that a person may have, one expression, and everything written down."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pixfoundation import api, single_image
from pixfoundation.cli import main
from pixfoundation.datasets import datasets
from pixfoundation.masks import Mask
from pixfoundation.types import Candidate
from tests.judges.server import KEY, judge_server

EXPRESSION = "the red square"


@pytest.fixture
def ground(monkeypatch, capsys, tmp_path):
    """Runs the command; returns its exit code, what it printed, and what it complained of."""

    def run(*arguments):
        out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", ["pixfoundation", "ground", *map(str, arguments), *out])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    """A drawing of the embedded benchmark that the models do well on, with its expression."""
    sample = next(s for s in datasets.get("pixscenes")(None).samples if s.expression)
    path = tmp_path_factory.mktemp("scene") / "scene.png"
    Image.open(sample.image).save(path)
    return path, sample.expression


def picture(size=(96, 64), mode="RGB"):
    image = Image.new("RGB", size, (40, 90, 40))
    image.paste((200, 30, 30), (size[0] // 2, size[1] // 4, size[0] * 5 // 6, size[1] * 3 // 4))
    return image.convert(mode)


def test_everything_is_written_and_a_mask_is_picked(ground, scene, tmp_path):
    path, expression = scene
    code, printed, _ = ground(path, expression)
    assert code == 0
    assert "picked" in printed
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert written == {"grid.png", "grid.pdf", "strip.png", "strip.pdf", "result.json"}
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    size = tuple(record["size"])
    assert (record["expression"], record["model"]) == (expression, "tiny-llava")
    assert len(record["token_ids"]) == len(record["spans"])
    for candidate in record["candidates"]:
        start, end = candidate["phrase"]["span"]
        assert record["answer"][start:end] == candidate["phrase"]["text"]
        assert tuple(candidate["mask"]["size"]) == size
        x, y = candidate["point"]
        assert 0 <= x < size[1]
        assert 0 <= y < size[0]
        assert 0 <= candidate["score"] <= 1
    picked = record["selection"]["candidate"]
    assert record["selection"]["mask"] == record["candidates"][picked]["mask"]


def test_the_record_gives_back_what_was_found(scene, embedded):
    path, expression = scene
    result = api.ground(path, expression, *embedded)
    record = json.loads(json.dumps(result.to_json(), ensure_ascii=False))
    found = result.grounded
    assert tuple(Candidate.from_json(data) for data in record["candidates"]) == found.candidates
    assert Mask.from_rle(record["selection"]["mask"]) == result.selection.mask
    assert record["selection"]["candidate"] == result.selection.candidate
    assert record["answer"] == found.answer.text
    assert tuple(map(tuple, record["spans"])) == found.answer.spans
    assert record["prompt"] == found.prompt.text


@pytest.mark.slow
def test_two_at_once_in_one_folder_leave_whole_files(scene, tmp_path):
    path, expression = scene
    command = [sys.executable, "-m", "pixfoundation", "ground", path, expression]
    out = tmp_path / "out"
    both = [subprocess.Popen([*command, "--out", out], stderr=subprocess.PIPE) for _ in range(2)]
    assert [each.communicate()[1] and each.returncode for each in both] == [0, 0]
    names = {file.name for file in out.iterdir()}
    assert names == {"grid.png", "grid.pdf", "strip.png", "strip.pdf", "result.json"}
    for name in ("grid.png", "strip.png"):
        Image.open(out / name).load()
    assert json.loads((out / "result.json").read_text())["expression"] == expression


def test_the_record_goes_to_the_standard_output_alone_with_json(ground, scene):
    path, expression = scene
    code, printed, _ = ground(path, expression, "--json")
    assert code == 0
    assert json.loads(printed)["expression"] == expression


def write(path, image, **options):
    image.save(path, **options)
    return path


def rotated(path):
    """Stored lying on its side, with the note to turn it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return write(path, picture().rotate(90, expand=True), exif=exif)


PICTURES = {
    "grey": lambda folder: write(folder / "a.png", picture(mode="L")),
    "grey with alpha": lambda folder: write(folder / "a.png", picture(mode="LA")),
    "alpha": lambda folder: write(folder / "a.png", picture(mode="RGBA")),
    "palette": lambda folder: write(folder / "a.png", picture(mode="P")),
    "black and white": lambda folder: write(folder / "a.png", picture(mode="1")),
    "sixteen bits": lambda folder: write(
        folder / "a.png", Image.fromarray(np.arange(96 * 64, dtype=np.uint16).reshape(64, 96) * 10)
    ),
    "print colours": lambda folder: write(folder / "a.jpg", picture(mode="CMYK")),
    "WebP": lambda folder: write(folder / "a.webp", picture()),
    "GIF": lambda folder: write(folder / "a.gif", picture()),
    "turned by EXIF": lambda folder: rotated(folder / "a.jpg"),
    "no ending": lambda folder: write(folder / "a", picture(), format="PNG"),
    "a strange name": lambda folder: write(folder / "[red] ünd %s.png", picture()),
}


@pytest.fixture(scope="module")
def embedded():
    return api.load_model("tiny-llava"), api.load_segmenter("tiny-sam")


@pytest.mark.parametrize("kind", PICTURES)
def test_any_picture_is_grounded_at_its_own_size(kind, embedded, tmp_path):
    found = api.ground(PICTURES[kind](tmp_path), EXPRESSION, *embedded).grounded
    assert found.image.mode == "RGB"
    assert found.image.size == (96, 64)
    assert {candidate.mask.size for candidate in found.candidates} == {(64, 96)}


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (300, 2), (2400, 160), (160, 2400)])
def test_any_shape_is_grounded(size, embedded, tmp_path):
    path = write(tmp_path / "a.png", picture(size))
    found = api.ground(path, EXPRESSION, *embedded).grounded
    assert {candidate.mask.size for candidate in found.candidates} == {(size[1], size[0])}


def truncated(path):
    buffer = io.BytesIO()
    picture((400, 300)).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[:900])
    return path


def too_large(path):
    """A PNG file that promises more pixels than can be decoded safely, in a few bytes."""
    image = Image.new("1", (20000, 20000))
    return write(path, image)


BROKEN = {
    "truncated": (lambda folder: truncated(folder / "a.jpg"), "cannot be read"),
    "no image": (lambda folder: folder / "text.png", "not an image in a format"),
    "empty": (lambda folder: folder / "empty.png", "not an image in a format"),
    "a folder": (lambda folder: folder, "is a folder"),
    "missing": (lambda folder: folder / "none.png", "There is no image at"),
    "too large": (lambda folder: too_large(folder / "a.png"), "too many pixels"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_picture_is_refused_in_one_sentence(kind, ground, tmp_path):
    (tmp_path / "text.png").write_text("not pixels")
    (tmp_path / "empty.png").touch()
    make, message = BROKEN[kind]
    code, printed, complaint = ground(make(tmp_path), EXPRESSION)
    assert code == 1
    assert message in complaint
    assert "Traceback" not in complaint
    assert printed == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "The expression is empty"),
        (["  "], "The expression is empty"),
        ([EXPRESSION, "--selector", "best"], "Unknown selector 'best'"),
        ([EXPRESSION, "--selector", "oracle"], "needs the ground truth"),
        ([EXPRESSION, "--model", "tiny-lava"], "Did you mean 'tiny-llava'"),
        ([EXPRESSION, "--segmenter", "tinysam"], "Did you mean 'tiny-sam'"),
        ([EXPRESSION, "--grounder-option", "pionts=2"], "pionts"),
    ],
)
def test_a_wrong_request_is_refused_in_one_sentence(arguments, message, ground, tmp_path):
    code, _, complaint = ground(write(tmp_path / "a.png", picture()), *arguments)
    assert code == 1
    assert message in complaint


def test_a_folder_that_cannot_be_written_is_said(ground, tmp_path):
    path = write(tmp_path / "a.png", picture())
    code, _, complaint = ground(path, EXPRESSION, "--out", path)
    assert code == 1
    assert "a.png is a file: name a folder" in complaint.replace("\n", "")
    assert "Traceback" not in complaint


# ---- picked by a judge -------------------------------------------------------------------------


@pytest.fixture
def judged(ground, scene, tmp_path, monkeypatch):
    """Grounds with a judge that replies as told; returns code, record, print and requests."""
    monkeypatch.setenv("PIXFOUNDATION_JUDGE_KEY", KEY)

    def run(reply, *more):
        path, expression = scene
        with judge_server(reply) as server:
            code, printed, _ = ground(
                path, expression, "--selector", "judge", "--judge-model", "eye",
                "--base-url", server.url, "--cache", tmp_path / "cache", *more,
            )  # fmt: skip
        written = tmp_path / "out" / "result.json"
        record = json.loads(written.read_text()) if written.exists() else None
        return code, record, printed, len(server.requests)

    return run


def images(body):
    parts = body["messages"][-1]["content"]
    return [] if isinstance(parts, str) else [p for p in parts if p["type"] == "image_url"]


def test_a_judge_picks_and_is_asked_only_once(judged):
    reply = lambda body: "2" if len(images(body)) > 1 else "Yes"  # noqa: E731
    code, record, printed, asked = judged(reply)
    assert code == 0
    assert asked >= 2
    assert record["judge"]["pick"]["valid"] is True
    assert record["selection"]["candidate"] == record["judge"]["pick"]["value"]
    assert "picked" in printed
    assert KEY not in json.dumps(record)
    again = judged(reply)
    assert again[3] == 0
    assert again[1]["selection"] == record["selection"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (lambda body: "No", "the object is not in the image"),
        (lambda body: "Yes" if len(images(body)) == 1 else "0", "none of the masks"),
        (lambda body: "Yes" if len(images(body)) == 1 else "The cat, surely.", "No verdict"),
    ],
)
def test_without_a_pick_no_mask_is_shown_as_one(judged, reply, said):
    code, record, printed, _ = judged(reply)
    assert code == 0
    assert said in printed
    assert record["selection"]["candidate"] is None


def test_no_more_is_asked_than_the_budget_allows(judged):
    code, record, _, asked = judged(lambda body: "Yes", "--budget", "1")
    assert (code, record, asked) == (1, None, 1)
    assert judged(lambda body: "Yes", "--judge-option", "colour=red")[::3] == (1, 0)


def test_a_judge_and_its_selector_go_together(ground, tmp_path):
    path = write(tmp_path / "a.png", picture())
    assert ground(path, EXPRESSION, "--selector", "judge")[0] == 2
    assert ground(path, EXPRESSION, "--judge-model", "eye")[0] == 2


def test_the_device_holds_for_the_segmenter_too(monkeypatch, tmp_path):
    asked = []
    drawn = api.load_segmenter("tiny-sam")
    monkeypatch.setattr(
        single_image, "load_segmenter", lambda name, **own: asked.append(own) or drawn
    )
    path = write(tmp_path / "a.png", picture())
    api.ground(path, EXPRESSION, model_options={"device": "cpu"})
    assert asked == [{"device": "cpu"}]
