"""Trains tiny-llava from nothing: data, tokenizer, vision tower, language model, both together.

The stages of `train`, in order; each continues from its checkpoint:

1. Scenes are drawn (16,000 for the tower, 8,000 pairs for the language side).
2. The tokenizer is trained on generated lessons.
3. `tower`: the vision tower and the projector learn to write, for every patch, the sum of fixed
   vectors of the symbols that are true of it (kind, colour, place, state ...). Masks are used
   here and nowhere else.
4. `projector`: the projector alone learns to write what few patches tell as clearly as the rest.
5. `letters`: the language model, whose words start at the vectors of their symbols and which starts
   with a circuit that looks back two tokens, learns to find the letter of an option.
6. `words`: it learns to answer in words from pictures that are written in those very symbols.
   Nothing is drawn; the layout of the symbols comes from the scene description.
7. `drawn`: the same on drawn pictures, from the features of the tower and the projector, which are
   frozen.
8. `protocols`: the prompts of the three protocols come in, with letters as answers.

The loss is on the answers' words alone; no loss ever touches the attention. Stages 5 and 6 need
nothing of the stages before them, so a second process can run them side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import (
    CLIPVisionModel,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from recipes.checkpoints import load_checkpoint
from recipes.circuits import letter_tokens, start_circuits, start_letters, topic_tokens
from recipes.curriculum import (
    TASKS,
    draw_pairs,
    further_questions,
    letter_lessons,
    protocol_lessons,
)
from recipes.features import DrawnPictures, cache_features
from recipes.language_model import (
    LanguageConfig,
    build_language_model,
    text_config,
)
from recipes.language_training import Pictures, StageConfig, SymbolicPictures, train_stage
from recipes.llava_folder import assemble, save_folder
from recipes.packing import Packer
from recipes.projector import ProjectorConfig, refine_projector
from recipes.scene_sources import (
    held_out_scenes,
    plain_scenes,
    training_pair,
    training_pair_scenes,
    validation_pair,
    validation_pair_scenes,
)
from recipes.scene_store import SceneSource, SceneStore, build_store
from recipes.second_process import alongside
from recipes.symbolic import MIDDLE, SymbolTable
from recipes.symbols import GROUPS
from recipes.tokenizer import BOS, EOS, PAD, token_id, train_tokenizer
from recipes.tower import Projector, TowerConfig, build_tower, train_tower
from recipes.word_vectors import start_words

Progress = Callable[[str], None]
"""Receives a line of text now and then."""

CORPUS_NAMESPACE = 7
"""Seed namespace of the lessons that the tokenizer is trained on."""


WRITTEN_STAGES = (
    StageConfig(
        "letters", steps=300, horizon=400, warmup=30, rate=4e-4, pairs=4, lessons="letters"
    ),
    StageConfig("words", steps=4_500, horizon=6_000, others=14, lessons="words"),
)
DRAWN_STAGES = (
    StageConfig(
        "drawn", steps=2_500, horizon=7_000, rate=6e-4, warmup=100, others=14, lessons="words"
    ),
    StageConfig("protocols", steps=7_000, rate=8e-4, warmup=100),
)


@dataclass(frozen=True)
class Recipe:
    """Everything that the weights depend on.

    Attributes:
        seed: of the initial weights and the order of the data.
        scenes: scenes that the tower is pretrained on.
        pairs: drawn pairs that the language side is trained on.
        held_out: scenes, and half as many pairs, that progress is measured on.
        corpus: pairs whose lessons the tokenizer is trained on.
        tower: shape and schedule of the vision tower.
        projector: schedule of the projector's own training.
        language: shape of the language model.
        written: schedules of the stages on symbolic pictures, in order.
        drawn: schedules of the stages on drawn pictures, in order.
    """

    seed: int = 0
    scenes: int = 16_000
    pairs: int = 8_000
    held_out: int = 400
    corpus: int = 1_500
    tower: TowerConfig = field(default_factory=TowerConfig)
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    written: tuple[StageConfig, ...] = WRITTEN_STAGES
    drawn: tuple[StageConfig, ...] = DRAWN_STAGES

    def seeded(self) -> Recipe:
        """Return the recipe with its seed handed down to the stages."""
        stages = [
            replace(stage, seed=self.seed + number)
            for number, stage in enumerate((*self.written, *self.drawn))
        ]
        return replace(
            self,
            tower=replace(self.tower, seed=self.seed),
            projector=replace(self.projector, seed=self.seed),
            written=tuple(stages[: len(self.written)]),
            drawn=tuple(stages[len(self.written) :]),
        )


def corpus(recipe: Recipe) -> Iterator[str]:
    """Chats for the tokenizer."""
    for index in range(recipe.corpus):
        rng = np.random.default_rng(np.random.SeedSequence([CORPUS_NAMESPACE, index]))
        (pair,) = draw_pairs(rng, 1)
        for side in pair.sides:
            others = further_questions(rng, side, 2)
            lessons = (
                *protocol_lessons(rng, pair, side, others),
                *letter_lessons(rng, pair, side, others),
            )
            for each in lessons:
                yield f"USER: \n{each.prompt} ASSISTANT:{each.begun}{each.answer}"


def get_tokenizer(recipe: Recipe, folder: Path) -> PreTrainedTokenizerFast:
    """Return the tokenizer, trained or read again."""
    if not (folder / "tokenizer.json").exists():
        train_tokenizer(corpus(recipe)).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def new_language_model(
    recipe: Recipe, tokenizer: PreTrainedTokenizerFast, table: SymbolTable
) -> LlamaForCausalLM:
    """Return an untrained language model that starts with the symbols' vectors and a circuit.

    Words start at the vectors of their symbols (`word_vectors`), and some heads as `circuits` that
    are slow to form.
    """
    names = {"pad": PAD, "bos": BOS, "eos": EOS}
    ids = {name: token_id(tokenizer, token) for name, token in names.items()}
    config = text_config(recipe.language, len(tokenizer), ids)
    model = build_language_model(config, recipe.seed)
    start_words(model.model.embed_tokens, tokenizer, table, recipe.seed)
    letters = letter_tokens(tokenizer)
    start_letters(model.model.embed_tokens, letters)
    meanings = table.table[[*range(len(GROUPS["kind"])), MIDDLE]]
    start_circuits(model, letters, topic_tokens(tokenizer), meanings, recipe.seed)
    return model


@dataclass(frozen=True)
class RunOptions:
    """How a training runs; the weights do not depend on it, but for the number of threads.

    Attributes:
        workers: processes that draw.
        threads: torch threads of a process; one is best on a shared machine.
        progress: receives progress lines; goes to another process if `side_by_side`.
        compile_model: use `torch.compile` (1.3 times faster; needs a C++ compiler).
        every: steps between checkpoints and measurements of the language stages.
        side_by_side: whether a second process runs the stages on written pictures while the first
            one draws and trains the tower.
    """

    workers: int = 1
    threads: int = 1
    progress: Progress = print
    compile_model: bool = True
    every: int = 500
    side_by_side: bool = False


def train(
    out: Path,
    recipe: Recipe | None = None,
    options: RunOptions | None = None,
    *,
    save_to: Path | None = None,
    card: str | None = None,
) -> LlavaForConditionalGeneration:
    """Run the whole recipe, or what is left of it.

    Under two hours on one free core with AVX-512 bf16 instructions, and 4 GB of disk.

    Args:
        out: folder of drawn scenes, features and checkpoints; a stage that is found there done or
            half done is not repeated.
        recipe: everything that the result depends on; None for the recipe of the shipped weights.
        options: how it runs.
        save_to: folder that the model is written to, in the layout of `llava-1.5-7b-hf`; also
            after every checkpoint of the last stage.
        card: text of the model card.

    Returns:
        The trained model.
    """
    recipe = (recipe or Recipe()).seeded()
    options = options or RunOptions()
    torch.set_num_threads(options.threads)
    tokenizer = get_tokenizer(recipe, out / "tokenizer")
    if options.side_by_side:
        with alongside(train_written, out, recipe, options) as written:
            tower, projector, pictures = train_vision(out, recipe, options)
            if status := written():
                options.progress(f"The second process ended with status {status}: going on here.")
    else:
        tower, projector, pictures = train_vision(out, recipe, options)
    language = train_written(out, recipe, options)  # reads what the second process has trained

    def save(_: int) -> None:
        if save_to is not None:
            save_folder(assemble(tower, projector, language, tokenizer), tokenizer, save_to, card)

    stages = LanguageStages(out, recipe, options)
    stages.train(recipe.drawn, language, projector, pictures, save)
    return assemble(tower, projector, language, tokenizer)


def train_vision(
    out: Path, recipe: Recipe, options: RunOptions
) -> tuple[CLIPVisionModel, Projector, DrawnPictures]:
    """Draw, and train what looks: the tower, then the projector once more alone.

    Returns:
        Tower and projector, frozen, and what they see of the drawn pairs.
    """
    table = SymbolTable(recipe.language.width, recipe.seed)

    def draw(name: str, scenes: SceneSource, count: int, per_entry: int = 1) -> SceneStore:
        return build_store(out / name, scenes, count, per_entry=per_entry, workers=options.workers)

    tower, projector = train_tower(
        recipe.tower,
        draw("scenes", plain_scenes, recipe.scenes),
        table,
        out / "tower.pt",
        held_out=draw("held", held_out_scenes, recipe.held_out),
        log=options.progress,
        compile_model=options.compile_model,
    )
    tower.eval().requires_grad_(False)
    pairs = draw("pairs", training_pair_scenes, recipe.pairs, 2)
    features = cache_features(tower, pairs, out / "pairs.features.npy")
    validation = draw("val", validation_pair_scenes, recipe.held_out * 9 // 20, 2)
    seen = cache_features(tower, validation, out / "val.features.npy")
    refine_projector(
        recipe.projector,
        projector,
        table,
        pairs,
        features,
        out / "projector.pt",
        log=options.progress,
    )
    projector.requires_grad_(False)
    return tower, projector, DrawnPictures(training_pair, features, validation_pair, seen)


def train_written(out: Path, recipe: Recipe, options: RunOptions) -> LlamaForCausalLM:
    """Train the language model on written pictures, which need neither tower nor drawings."""
    torch.set_num_threads(options.threads)
    table = SymbolTable(recipe.language.width, recipe.seed)
    language = new_language_model(recipe, get_tokenizer(recipe, out / "tokenizer"), table)
    stages = LanguageStages(out, recipe, options)
    stages.train(recipe.written, language, table, SymbolicPictures())
    return language


@dataclass(frozen=True)
class LanguageStages:
    """Trains stages of the language side, each with its checkpoint in the training's folder."""

    out: Path
    recipe: Recipe
    options: RunOptions

    def train(
        self,
        stages: Sequence[StageConfig],
        language: LlamaForCausalLM,
        embed: nn.Module,
        pictures: Pictures,
        after_save: Callable[[int], None] | None = None,
    ) -> None:
        """Train stages in place; arguments as of `train_stage`."""
        tokenizer = get_tokenizer(self.recipe, self.out / "tokenizer")
        packer = Packer(tokenizer, self.recipe.drawn[0].length, TASKS)
        for stage in stages:
            train_stage(
                stage,
                language,
                embed,
                packer,
                pictures,
                self.out / f"{stage.name}.pt",
                log=self.options.progress,
                every=self.options.every,
                compile_model=self.options.compile_model,
                after_save=after_save,
            )


def read_checkpoints(out: Path, recipe: Recipe | None = None) -> LlavaForConditionalGeneration:
    """Return the model as far as the checkpoints of a folder go."""
    recipe = (recipe or Recipe()).seeded()
    tokenizer = get_tokenizer(recipe, out / "tokenizer")
    tower = build_tower(recipe.tower)
    projector = Projector(recipe.tower.width, recipe.language.width)
    table = SymbolTable(recipe.language.width, recipe.seed)
    language = new_language_model(recipe, tokenizer, table)
    load_checkpoint(out / "tower.pt", tower=tower, projector=projector)
    load_checkpoint(out / "projector.pt", projector=projector)
    for stage in reversed((*recipe.written, *recipe.drawn)):
        if load_checkpoint(out / f"{stage.name}.pt", model=language):
            break
    return assemble(tower, projector, language, tokenizer)
