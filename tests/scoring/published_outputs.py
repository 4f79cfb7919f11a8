"""Seeded outputs in the published code's file formats, made without the package under test."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco

SIDE = 224
WORDS = ["a dog", "the wings", "it", "a red-ish thing", "the cat's tail", "two birds"]
REPLIES = ["Yes", "yes.", "No", "no", "YES.", "yes..", "Yes, it is", "maybe"]
REPLY_SHARES = [0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05]


def ground_truth(annotations: Path) -> dict[int, np.ndarray]:
    """The union of every image's polygons, as 0/1 arrays by image number."""
    data = json.loads((annotations / "Segmentations.json").read_text())
    truth = {image["id"]: np.zeros((SIDE, SIDE), np.uint8) for image in data["images"]}
    for entry in data["annotations"]:
        rle = coco.merge(coco.frPyObjects(entry["segmentation"], SIDE, SIDE))
        truth[entry["image_id"]] |= coco.decode(rle)
    return truth


def questions(annotations: Path) -> list[dict[str, str]]:
    with open(annotations / "visual_patterns.csv") as file:
        return list(csv.DictReader(file))


def options(row: dict[str, str]) -> list[str]:
    return [part.split(")")[1].strip() for part in row["Options"].split("(")[1:]]


class Writer:
    """Writes outputs of one seed."""

    def __init__(self, annotations: Path, out: Path, seed: int) -> None:
        self.truth = ground_truth(annotations)
        self.rows = questions(annotations)
        self.out = out
        self.random = np.random.default_rng(seed)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)

    def mask(self, number: int) -> np.ndarray:
        """The ground truth shifted, dilated or eroded; or a box, nothing, or everything."""
        truth, kind = self.truth[number], self.random.integers(0, 7)
        if kind == 0:
            return np.roll(truth, tuple(self.random.integers(-20, 20, 2)), (0, 1))
        if kind in (1, 2):
            mask, join = truth.copy(), np.bitwise_or if kind == 1 else np.bitwise_and
            for _ in range(self.random.integers(1, 5)):
                for step, axis in ((1, 0), (1, 1), (-1, 0), (-1, 1)):
                    mask = join(mask, np.roll(mask, step, axis))
            return mask
        mask = np.zeros_like(truth)
        if kind in (3, 6):
            y, x = self.random.integers(0, 180, 2)
            height, width = self.random.integers(5, 180, 2)
            mask[y : y + height, x : x + width] = 1
        return mask if kind != 5 else mask + 1

    def singles(self, name: str, pattern: str) -> Path:
        """One mask an image; every 17th is written with 0 and 1 instead of 0 and 255."""
        folder = self.out / name
        folder.mkdir()
        for number in self.truth:
            value = 1 if number % 17 == 0 else 255
            save(self.mask(number) * value, folder / (pattern % number))
        return folder

    def candidates(self, name: str, *, long: bool) -> tuple[Path, Path, Path]:
        """A candidate folder, its text file, and picks among it."""
        folder = self.out / name
        folder.mkdir()
        lines, picks = [], []
        for number in self.truth:
            phrases = int(self.random.integers(0, 4))
            if not phrases:
                save(np.zeros((SIDE, SIDE)), folder / f"{number}.png")
            files = []
            mode = self.random.integers(0, 4)
            for phrase in range(phrases):
                line = (
                    f"{number}.jpg - {phrase} - {self.random.choice(WORDS)}| "
                    f"{self.random.choice(['dog', 'x'])}| {self.similarity(mode):f}"
                )
                if long:
                    line += f" | {phrase * 3} | {phrase * 3 + 2}| the answer, text"
                lines.append(line)
                for index in range(3):
                    files.append(f"{number}_{phrase:03d}_{index:03d}.png")
                    save(self.mask(number) * 255, folder / files[-1])
            if (draw := self.random.random()) > 0.1:
                none = draw < 0.25 or not files
                chosen = "NONE" if none else f"{folder}/{self.random.choice(files)}"
                picks.append({"question_id": number - 1, "selected file": chosen})
        meta = self.out / f"{name}.txt"
        meta.write_text("".join(f"{line}\n" for line in lines))
        return folder, meta, write_rows(self.out / f"{name}_picks.jsonl", picks)

    def similarity(self, mode: int) -> float:
        if mode == 0:
            return self.random.random()
        if mode == 1:
            return -self.random.random()
        return float(self.random.choice([0.7, 0.699999, 0.9] if mode == 2 else [0.9, 0.95]))

    def open_answers(self) -> tuple[Path, Path]:
        """Answers of protocol 1, and a judge's replies to them."""
        answers, replies = [], []
        for row in self.rows:
            reply = str(self.random.choice(REPLIES, p=REPLY_SHARES))
            number = int(row["Index"])
            answers.append(
                {
                    "question_id": number,
                    "prompt": row["Question"],
                    "answer": row["Correct Answer"],
                    "response": f"Words. [[{reply}]]",
                    "answer_id": "x",
                    "model_id": "model",
                }
            )
            replies.append({"question_id": number, "reply": reply})
        return (
            write_rows(self.out / "protocol1.jsonl", answers),
            write_rows(self.out / "replies.jsonl", replies),
        )

    def letters(self) -> Path:
        """Answers of protocol 2."""
        answers = []
        for row in self.rows:
            texts = options(row)
            said = ["a", "B", "A.", "(b)", "Answer: A", "The answer is (a).", "answer is: b"]
            said += [texts[0], f"{texts[1].upper()}.", f"(a) {texts[0]}", "hmm", "a) "]
            answers.append(
                {
                    "question_id": int(row["Index"]),
                    "prompt": row["Question"],
                    "answer": str(self.random.choice(said)),
                    "gt_answer": row["Correct Answer"],
                    "model_id": "model",
                    "text_options": texts,
                }
            )
        return write_rows(self.out / "protocol2.jsonl", answers)


def save(mask: np.ndarray, path: Path) -> None:
    Image.fromarray(mask.astype(np.uint8)).save(path)


def write_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
