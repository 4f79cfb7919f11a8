"""Tables and numbers about the embedded models, from the outputs of `embedded_figures.py`.

A table stands in a page between `<!-- embedded: NAME -->` and `<!-- end -->`; numbers in sentences
are printed as facts, to be written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]
MEASURES = ("pointing", "energy", "map_iou", "oracle", "similarity")
VARIED = (
    ("typos (3)", "A"),
    ("templates (3)", "A"),
    ("jpeg (3)", "A"),
    ("maskout (3)", "M† similarity"),
    ("typos (3)", "S"),
)
"""Rows of the summary of sensitivity that the page shows, by variants and score."""


def load(path: Path) -> Any:
    """Read one JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    rule = "|" + "---|" * len(head)
    lines = ["|" + "".join(f" {cell} |" if cell else " |" for cell in row) for row in (head, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def number(value: float | None, digits: int = 1, factor: float = 100) -> str:
    """Return a number times a factor, a share in percent by default; a dash where there is none."""
    return "-" if value is None else f"{factor * value:.{digits}f}"


def estimated(estimate: Json, digits: int, bound_digits: int, factor: float) -> str:
    """Return an estimate with its interval if it has one; few samples have none."""
    text, interval = number(estimate["value"], digits, factor), estimate["interval"]
    if interval is None:
        return text
    low, high = (number(bound, bound_digits, factor) for bound in interval)
    return f"{text} [{low}, {high}]"


def percent(estimate: Json, digits: int = 0) -> str:
    """Return a share in percent, with its interval if it has one."""
    return estimated(estimate, 1, digits, 100)


def miou(scores: Json, selector: str) -> Json:
    """Return the mIoU of protocol 3 over the samples with an expression, as an estimate."""
    found = scores["miou"]["protocol3"][selector]
    return {"value": found["present"], "interval": found["present_interval"]}


def points(folder: Path) -> str:
    """Return the ablation over the rank of the maximum, next to the published one."""
    plain = load(folder / "plain" / "score.json")
    ranks = [load(folder / "ranks" / f"score-{rank}.json") for rank in (2, 3)]
    names, published = ("first maximum", "second", "third"), ("38.0", "37.9", "37.3")
    rows = [
        (name, percent(miou(scores, "oracle"), 1), value)
        for name, scores, value in zip(names, (plain, *ranks), published, strict=True)
    ]
    rows.append(("random points", percent(miou(plain, "oracle_random"), 1), "26.4"))
    return table(("point", "embedded", "published"), rows)


def looks(folder: Path) -> str:
    """Return the scores on both looks of PixScenes."""
    both = [load(folder / step / "score.json") for step in ("plain", "photo")]

    def accuracy(protocol: int) -> list[str]:
        return [f"{number(one['accuracy'][f'protocol{protocol}']['pair'])} %" for one in both]

    def masks(selector: str, chance: str) -> list[str]:
        return [
            f"{number(miou(one, selector)['value'])} % ({number(miou(one, chance)['value'])} %)"
            for one in both
        ]

    rows = (
        ("accuracy by pair, protocol 1, graded by rules", *accuracy(1)),
        ("accuracy by pair, protocol 2", *accuracy(2)),
        ("mIoU, protocol 3, oracle (chance)", *masks("oracle", "oracle_random")),
        ("mIoU, protocol 3, similarity (chance)", *masks("similarity", "random")),
    )
    return table(("", "plain", "photo"), rows)


def readings(folder: Path) -> str:
    """Return the comparison of readings."""
    found = load(folder / "readings" / "readings.json")["readings"]
    head = ("reading", "peak in mask", "energy in mask", "IoU of map", "mIoU oracle")
    rows = [
        (
            f"`{one['reading']}`",
            *(percent(one[name]) for name in MEASURES),
            f"{one['seconds_per_answer']:.2f}",
        )
        for one in found
    ]
    levels: list[str] = []
    for name in MEASURES:
        known = [value for one in found if (value := one[name]["chance"]["value"]) is not None]
        low, high = number(min(known, default=None)), number(max(known, default=None))
        levels.append(low if low == high else f"{low} to {high}")
    rows.append(("chance", *levels, ""))
    return table((*head, "mIoU similarity", "own seconds"), rows)


def varied(folder: Path) -> str:
    """Return the rows of the summary of sensitivity that the page shows."""
    lines = (folder / "varied" / "table.md").read_text(encoding="utf-8").splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"
    ]
    columns = ("variants", "score", "default", "mean", "worst", "flips", "alpha")
    found = [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]
    by_row = {(row["variants"], row["score"]): row for row in found}
    return table(
        columns, [[by_row[key][name] for name in columns] for key in VARIED if key in by_row]
    )


@dataclass(frozen=True)
class Block:
    """A table of a page.

    Attributes:
        page: The page, below `docs/`.
        steps: The steps that it is made from.
        text: Makes it from the folder of the outputs.
    """

    page: str
    steps: frozenset[str]
    text: Callable[[Path], str]


def claims(folder: Path) -> str:
    """Return the verdicts as `claims --markdown` prints them, without the notes below."""
    lines = (folder / "claims" / "claims.md").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("|"))


BLOCKS = {
    "points": Block("emergence.md", frozenset({"plain", "ranks"}), points),
    "claims": Block("causes.md", frozenset({"claims"}), claims),
    "readings": Block("readings.md", frozenset({"readings"}), readings),
    "looks": Block("pixscenes.md", frozenset({"plain", "photo"}), looks),
    "variants": Block("sensitivity.md", frozenset({"varied"}), varied),
}


def replaced(text: str, name: str, block: str) -> str:
    """Return a page with one of its tables replaced.

    Raises:
        ValueError: If the page does not have it exactly once.
    """
    pattern = rf"(<!-- embedded: {name} -->\n\n).*?(\n\n<!-- end -->)"
    text, count = re.subn(pattern, lambda found: found[1] + block + found[2], text, flags=re.S)
    if count != 1:
        raise ValueError(f"The page has {count} tables {name!r}.")
    return text


def write(docs: Path, folder: Path, steps: set[str]) -> None:
    """Write the tables whose steps were made into their pages."""
    for name, block in BLOCKS.items():
        if block.steps <= steps:
            page = docs / block.page
            text = replaced(page.read_text(encoding="utf-8"), name, block.text(folder))
            page.write_text(text, encoding="utf-8")


def print_facts(folder: Path, steps: set[str]) -> None:
    """Print the numbers that stand in sentences, by page."""
    for step, facts in FACTS.items():
        if step in steps:
            print(f"== {step}")
            for line in facts(folder / step):
                print(f"  {line}")


def score_facts(folder: Path) -> Iterable[str]:
    """Yield accuracies and mIoU: pixscenes.md, embedded-models.md, tiny-llava.md."""
    scores = load(folder / "score.json")
    for protocol in (1, 2):
        found = scores["accuracy"][f"protocol{protocol}"]
        pairs, unread = number(found["pair"]), found["unparsed"]
        yield f"protocol {protocol} by pair {pairs} %, unparsed {unread}"
    for name, group in scores["groups"]["pattern"].items():
        pair = group["accuracy.protocol2.pair"]
        yield f"  {name}: {number(pair['value'], 0)} % of {pair['n']} pairs"
    for protocol, selectors in scores["miou"].items():
        shown = (f"{name} {number(found['present'])}" for name, found in selectors.items())
        yield f"mIoU, {protocol}: {', '.join(shown)}"
    if "per_image_iou" in scores:  # the examples of the app should be grounded well
        from pixfoundation import load_dataset
        from pixfoundation.app.page import EXAMPLES

        samples = {sample.id: sample for sample in load_dataset("pixscenes").samples}
        for pair, side in EXAMPLES:
            name = str(2 * pair + side + 1)
            iou = scores["per_image_iou"]["protocol3"]["similarity"].get(name)
            yield f"example of the app, sample {name}, {samples[name].expression!r}: IoU {iou}"


def emergence_facts(folder: Path) -> Iterable[str]:
    """Yield what emergence.md says below its figures."""
    found = load(folder / "emergence.json")
    bins, null = found["location"]["bins"], found["null"]
    yield f"n {found['location']['n']}, bins {bins}"
    for name, each in null.items():
        chance = each["mean"][0]
        ratio = number(bins[0] / chance if chance else None, 2, 1)
        yield f"beginning, {name}: {number(chance, 1, 1)}, ratio {ratio}"
        yield f"  concepts: low {each['concept']['low']}, high {each['concept']['high']}"
    yield f"concepts {found['concept']}"
    for name in ("best_phrase", "all_phrases", "random_points"):
        yield f"point in the truth, {name}: {percent(found['point_accuracy'][name])}"
    for name, each in (found.get("deletion") or {}).items():
        yield f"deletion, {name}: {percent(each)} (n {each['n']})"


def nats(estimate: Json) -> str:
    """Return a loss, with its interval if it has one."""
    return estimated(estimate, 3, 3, 1)


def knockout_facts(folder: Path) -> Iterable[str]:
    """Yield losses by what is blocked and by layer: causes.md."""
    found = load(folder / "knockout.json")
    yield f"samples {found['samples']}, cells {found['cells']}"
    for name, loss in found["losses"].items():
        yield f"loss, {name}: {nats(loss)} nats"
    for window in found["windows"]:
        more = window["difference"]
        yield (
            f"layers {window['layers']}: attended {nats(window['attended'])}, more than "
            f"elsewhere {nats(more)}, p {more['p_holm']:.4f} of {more['family']}"
        )
    alone = sum(window["attended"]["value"] or 0 for window in found["windows"])
    yield f"sum over windows {alone:.3f} of {number(found['losses']['attended']['value'], 3, 1)}"


def controls_facts(folder: Path) -> Iterable[str]:
    """Yield the measures of the run and of its controls: causes.md."""
    for level in load(folder / "controls.json")["levels"]:
        measures = level["measures"].items()
        known = (f"{name} {each['value']:.3f}" for name, each in measures if each["n"])
        yield f"{level['name']}: {', '.join(known)}"


def curves_facts(folder: Path) -> Iterable[str]:
    """Yield the areas under the curves: causes.md."""
    found = load(folder / "curves.json")
    yield f"samples {found['samples']}, draws {found['settings']['draws']}"
    for curve in found["curves"]:
        yield f"{curve['fill']} {curve['kind']}: difference {nats(curve['difference'])}"


def heads_facts(folder: Path) -> Iterable[str]:
    """Yield the best heads and what they reach: readings.md."""
    found = load(folder / "heads.json")
    yield f"answers {found['answers']}"
    for measure in ("point_accuracy", "energy"):
        grid = found[measure]
        places = [
            (value, f"{layer}.{head}", grid["null"][layer][head], grid["p"][layer][head])
            for layer, row in enumerate(grid["value"])
            for head, value in enumerate(row)
            if value is not None
        ]
        yield f"{measure}: {len(places)} heads in {len(grid['value'])} layers"
        for value, name, null, p in sorted(places, reverse=True)[:4]:
            yield f"  head {name}: {number(value)}, shuffled {number(null)}, p {number(p, 3, 1)}"
        yield f"  mean over all heads {percent(found['average_of_all'][measure])}"
        yield f"  best of the other half {percent(found['best_of_other_half'][measure])}"
    yield f"heads to reach the mean: {found['heads_to_reach_average']}"


def readings_facts(folder: Path) -> Iterable[str]:
    """Yield how stable the choice of a reading is: readings.md."""
    found = load(folder / "readings.json")
    shared = max(one["shared_seconds_per_answer"] for one in found["readings"])
    yield f"answers {found['answers']}, the shared pass takes {shared:.2f} s"
    for one in load(folder / "stability.json"):
        yield (
            f"{one['measure']}: {one['chosen']} on {number(one['chosen_share'], 0)} % of halves, "
            f"{number(one['in_sample'])} there, {number(one['held_out'])} on the other, "
            f"mean of all {number(one['average'])}"
        )


def text_facts(name: str) -> Callable[[Path], Iterable[str]]:
    """Return what yields the lines of a text that a command printed."""
    return lambda folder: (folder / name).read_text(encoding="utf-8").splitlines()


FACTS: dict[str, Callable[[Path], Iterable[str]]] = {
    "plain": score_facts,
    "photo": score_facts,
    "emergence": emergence_facts,
    "controls": controls_facts,
    "knockout": knockout_facts,
    "curves": curves_facts,
    "readings": readings_facts,
    "heads": heads_facts,
    "reproduce": text_facts("table.txt"),
}
