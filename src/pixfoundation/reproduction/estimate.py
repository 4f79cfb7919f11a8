"""What a recipe costs before it runs: questions, judge requests, tokens, money, memory, time.

Questions are counted on the dataset itself. What depends on answers that do not exist yet (masks
per answer, length of the answers) is measured on the run if it has begun, and assumed otherwise;
the assumptions stand in the file of rates and are printed with the estimate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec

from pixfoundation.conventions import Conventions, PickRequest
from pixfoundation.errors import DataError, PixFoundationError
from pixfoundation.existence import isfile
from pixfoundation.judges import prompts
from pixfoundation.judges.picking import PUBLISHED_LIMIT, ROUND
from pixfoundation.loading import load_dataset
from pixfoundation.masks import Mask
from pixfoundation.models.card import find_checkpoint
from pixfoundation.prompts import PromptTemplates, build_prompt
from pixfoundation.report.published import SIZES
from pixfoundation.reproduction.plan import PlannedRun, ReproductionPlan
from pixfoundation.reproduction.recipe import NO_MASKS, RecipeJudge
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.speeds import speed_of
from pixfoundation.runs.workload import measure_workload
from pixfoundation.toml_files import read_toml
from pixfoundation.typed_json import UnreadableError, convert
from pixfoundation.types import Protocol, Sample
from pixfoundation.variants.plan import PER_KIND, VariantPlan
from pixfoundation.wording import counted

Amount = Annotated[float, msgspec.Meta(ge=0)]
MoreThanNothing = Annotated[float, msgspec.Meta(gt=0)]


class JudgeRates(msgspec.Struct, forbid_unknown_fields=True, rename="kebab", frozen=True):
    """Prices and sizes of a judge's requests.

    Attributes:
        input_price: Price of a million tokens that are sent; None if it is not known.
        output_price: Price of a million tokens that are received; None if it is not known.
        currency: Name of the money.
        tokens_per_image: Tokens that an image counts; None if it is not known.
        characters_per_token: Characters of text that a token stands for.
        answer_tokens: Tokens of an answer, where no answer exists yet.
        masks_per_answer: Masks of an answer, where no answer exists yet.
    """

    input_price: Amount | None = None
    output_price: Amount | None = None
    currency: str = "USD"
    tokens_per_image: Amount | None = None
    characters_per_token: MoreThanNothing = 4.0
    answer_tokens: Amount = 60.0
    masks_per_answer: Amount = 15.0


class Rates(msgspec.Struct, forbid_unknown_fields=True, rename="kebab", frozen=True):
    """What is known about prices and speeds.

    Attributes:
        judge: Prices and sizes of the judge's requests.
        speed: Answers per second by the model's name.
    """

    judge: JudgeRates = JudgeRates()
    speed: dict[str, MoreThanNothing] = {}


@dataclass(frozen=True, slots=True)
class JudgeEstimate:
    """What the judge is asked about one run.

    Attributes:
        requests: Number of requests.
        images: Number of images in them.
        input_tokens: Tokens that are sent; None if images are, whose tokens are not known.
        output_tokens: Greatest number of tokens that are received.
        money: What that costs; None if a price is not known.
    """

    requests: int
    images: int
    input_tokens: int | None
    output_tokens: int
    money: float | None


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What one run directory costs.

    Attributes:
        run: The run directory.
        samples: Number of samples; None if the dataset cannot be read.
        questions: Number of questions, those about variants included; None likewise.
        done: Number of answers that exist.
        judge: What the judge is asked; None without a judge.
        memory: Memory that the weights take, as the model's card says; empty if it is not known.
        seconds: Time that the missing answers take; None if the speed is not known.
        problem: Why nothing can be counted, or what is counted instead; empty if all is known.
    """

    run: PlannedRun
    samples: int | None
    questions: int | None
    done: int
    judge: JudgeEstimate | None
    memory: str
    seconds: float | None
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain JSON data."""
        judge = self.judge
        return {
            "run": self.run.folder.name,
            "model": self.run.entry.model,
            "dataset": self.run.dataset,
            "samples": self.samples,
            "questions": self.questions,
            "done": self.done,
            "memory": self.memory or None,
            "seconds": self.seconds,
            "problem": self.problem or None,
            "judge": None
            if judge is None
            else {
                "requests": judge.requests,
                "images": judge.images,
                "input_tokens": judge.input_tokens,
                "output_tokens": judge.output_tokens,
                "money": judge.money,
            },
        }


def read_rates(file: Path | None) -> Rates:
    """Read a TOML file of rates; the assumptions alone for None.

    Raises:
        DataError: If it cannot be read, or an entry is not known or not valid.
    """
    if file is None:
        return Rates()
    try:
        return convert(read_toml(file), Rates)
    except UnreadableError as error:
        raise DataError(f"{file}: {error}.") from error


def estimate_run(
    plan: ReproductionPlan, run: PlannedRun, rates: Rates, *, judged: bool = True
) -> RunEstimate:
    """Estimate what is left to do for one run directory.

    Args:
        plan: The plan that the run belongs to.
        run: The run directory.
        rates: What is known about prices and speeds.
        judged: Whether the recipe's judge is asked.
    """
    known = find_checkpoint(run.entry.model)
    memory = "" if known is None else known[1].memory
    problem = ""
    try:
        every = load_dataset(run.dataset, run.root, **run.entry.dataset_options).samples
    except PixFoundationError as error:
        if run.dataset not in SIZES:
            return RunEstimate(run, None, None, 0, None, memory, None, str(error))
        every = _stand_ins(SIZES[run.dataset])
        problem = f"counted as its {counted(len(every), 'published sample')}, since: {error}"
    samples = list(every[: run.limit])
    workload = measure_workload(samples, run.protocols, _variants(plan, run), every)
    records = RunRecords.of(run.folder) if isfile(run.folder / "run.json") else None
    ids = {sample.id for sample in samples}
    answers = {} if records is None else records.with_variants().answers
    done = sum(
        records is not None and (key[0] in ids or key[0] in records.run.varied) for key in answers
    )
    questions = workload.questions + workload.varied
    speed = speed_of(run.folder) or rates.speed.get(run.entry.model)
    judge = None
    if judged and plan.recipe.judge is not None and run.entry.tasks(plan.recipe.judge):
        judge = estimate_judge(
            samples, run, records, plan.recipe.judge, plan.conventions, rates.judge
        )
    left = max(questions - done, 0)
    seconds = None if speed is None else left / speed
    return RunEstimate(run, len(ids), questions, done, judge, memory, seconds, problem)


def _stand_ins(number: int) -> list[Sample]:
    """Return samples that stand for those of a dataset that is not on disk, to count with."""
    empty = Mask.empty((1, 1))
    words = {"question": 80 * "x", "expression": 30 * "x", "options": ("yes", "no"), "answer": "a"}
    return [
        Sample(id=str(i), image=Path(str(i)), size=(1, 1), mask=empty, **cast("Any", words))
        for i in range(number)
    ]


def _variants(plan: ReproductionPlan, run: PlannedRun) -> VariantPlan | None:
    if not run.entry.variants:
        return None
    return VariantPlan(tuple(run.entry.variants), run.entry.per_kind or PER_KIND)


def estimate_judge(
    samples: Sequence[Sample],
    run: PlannedRun,
    records: RunRecords | None,
    judge: RecipeJudge,
    rules: Conventions,
    rates: JudgeRates,
) -> JudgeEstimate:
    """Estimate what the judge is still asked about a run.

    Args:
        samples: The samples of the run.
        run: The run directory.
        records: Its records; None if it has not begun.
        judge: The judge.
        rules: The rules, which say how masks are picked.
        rates: Prices and sizes of its requests.
    """
    author = f"{judge.backend}:{judge.model}"  # what follows a comma is how it was asked
    judged = {
        (verdict.kind, verdict.key)
        for verdict in (records.verdicts if records is not None else ())
        if verdict.judge.partition(",")[0] == author
    }
    count = _Count(rates)
    lengths = [len(answer.text) for answer in records.answers.values()] if records else []
    typical = (
        sum(lengths) / len(lengths)
        if lengths
        else (rates.answer_tokens * rates.characters_per_token)
    )
    for sample in samples:
        for protocol in run.protocols:
            key = (sample.id, protocol)
            tasks = _tasks(sample, protocol, run.entry.tasks(judge)) - {
                _TASK_OF[kind] for kind, other in judged if other == key and kind in _TASK_OF
            }
            if "grade" in tasks:
                prompt = build_prompt(sample, 1, PromptTemplates())
                text = "" if prompt is None else prompt.text
                question = prompts.grading_question(text, "(a)", "", 0.0)
                count.add(question.text + question.system, typical, 0, question.max_tokens)
            masks = 0 if run.entry.segmenter == NO_MASKS else _masks(records, key, rates)
            if "pick" in tasks and masks:
                count.add_picks(sample.expression or "", masks, rules.judging.pick_request)
            if "concept" in tasks:
                question = prompts.concept_question("a thing", "", 0.0)
                count.add(question.text + question.system, typical, 0, question.max_tokens)
    return count.estimate()


_TASK_OF = {"grade": "grade", "presence": "pick", "concept": "concept"}
"""The task that is done when there is a verdict of a kind."""


def _tasks(sample: Sample, protocol: Protocol, tasks: Sequence[str]) -> set[str]:
    """Return which of the judge's tasks there are about one answer."""
    if not sample.asks(protocol):
        return set()
    own: set[str] = set()
    if protocol == 1 and sample.has_answer:
        own.add("grade")
    if protocol != 2 and sample.expression is not None:
        own.add("pick")
    if protocol == 3:
        own.add("concept")
    return own & set(tasks)


def _masks(records: RunRecords | None, key: tuple[str, Any], rates: JudgeRates) -> int:
    """Return how many masks an answer has, or is assumed to have."""
    record = None if records is None else records.candidates.get(cast("Any", key))
    return round(rates.masks_per_answer) if record is None else len(record.candidates)


class _Count:
    """Adds up requests."""

    def __init__(self, rates: JudgeRates) -> None:
        self._rates = rates
        self._requests = self._images = self._replies = 0
        self._characters = 0.0

    def add(self, text: str, further: float, images: int, reply: int) -> None:
        """Add one request.

        Args:
            text: What is sent whatever the answer.
            further: Characters that are sent in addition.
            images: Number of images.
            reply: Greatest number of tokens of the reply.
        """
        self._requests += 1
        self._characters += len(text) + further
        self._images += images
        self._replies += reply

    def add_picks(self, expression: str, masks: int, request: PickRequest) -> None:
        """Add the requests about the masks of one answer: its presence, then the picks."""
        presence = prompts.presence_question(expression, b"", 0.0)
        self.add(presence.text + presence.system, 0, 1, presence.max_tokens)
        if request is PickRequest.SINGLE:
            self._add_pick(expression, min(masks, PUBLISHED_LIMIT))
            return
        while True:
            heats = [min(ROUND, masks - start) for start in range(0, masks, ROUND)]
            for heat in heats:
                self._add_pick(expression, heat)
            if len(heats) <= 1:
                return
            masks = len(heats)

    def _add_pick(self, expression: str, shown: int) -> None:
        question = prompts.picking_question(expression, [b""] * shown, 0.0, abstain=True)
        self.add(question.text + question.system, 0, shown, question.max_tokens)

    def estimate(self) -> JudgeEstimate:
        """Return the sums, with tokens and money as far as they are known."""
        rates = self._rates
        tokens: int | None = None
        if not self._images or rates.tokens_per_image is not None:
            text = self._characters / rates.characters_per_token
            tokens = math.ceil(text + self._images * (rates.tokens_per_image or 0))
        money = None
        if tokens is not None and rates.input_price is not None and rates.output_price is not None:
            money = (tokens * rates.input_price + self._replies * rates.output_price) / 1e6
        return JudgeEstimate(self._requests, self._images, tokens, self._replies, money)
