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

The loss is on the answers' words alone; no loss ever touches the attention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import (
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


def train(
    out: Path,
    recipe: Recipe | None = None,
    *,
    workers: int = 1,
    threads: int = 1,
    progress: Progress = print,
    compile_model: bool = True,
    save_to: Path | None = None,
    card: str | None = None,
    every: int = 500,
) -> LlavaForConditionalGeneration:
    """Run the whole recipe, or what is left of it.

    Under two hours on one free core with AVX-512 bf16 instructions, and 4 GB of disk.

    Args:
        out: folder of drawn scenes, features and checkpoints; a stage that is found there done or
            half done is not repeated.
        recipe: everything that the result depends on; None for the recipe of the shipped weights.
        workers: processes that draw.
        threads: torch threads; one is best on a shared machine.
        progress: receives progress lines.
        compile_model: use `torch.compile` (1.3 times faster; needs a C++ compiler).
        save_to: folder that the model is written to, in the layout of `llava-1.5-7b-hf`; also
            after every checkpoint of the last stage.
        card: text of the model card.
        every: steps between checkpoints and measurements of the language stages.

    Returns:
        The trained model.
    """
    recipe = (recipe or Recipe()).seeded()
    torch.set_num_threads(threads)
    tokenizer = get_tokenizer(recipe, out / "tokenizer")
    table = SymbolTable(recipe.language.width, recipe.seed)
    common = {"log": progress, "compile_model": compile_model}

    tower, projector = train_tower(
        recipe.tower,
        build_store(out / "scenes", plain_scenes, recipe.scenes, workers=workers),
        table,
        out / "tower.pt",
        held_out=build_store(out / "held", held_out_scenes, recipe.held_out, workers=workers),
        **common,
    )
    tower.eval().requires_grad_(False)

    def draw(name: str, scenes: SceneSource, count: int) -> tuple[SceneStore, np.ndarray]:
        store = build_store(out / name, scenes, count, per_entry=2, workers=workers)
        return store, cache_features(tower, store, out / f"{name}.features.npy")

    drawn, features = draw("pairs", training_pair_scenes, recipe.pairs)
    _, validation = draw("val", validation_pair_scenes, recipe.held_out * 9 // 20)
    refine_projector(
        recipe.projector, projector, table, drawn, features, out / "projector.pt", log=progress
    )
    projector.requires_grad_(False)
    pictures = DrawnPictures(training_pair, features, validation_pair, validation)

    packer = Packer(tokenizer, recipe.drawn[0].length, TASKS)
    language = new_language_model(recipe, tokenizer, table)

    def save(_: int) -> None:
        if save_to is not None:
            save_folder(assemble(tower, projector, language, tokenizer), tokenizer, save_to, card)

    def train_stages(
        stages: Sequence[StageConfig],
        embed: nn.Module,
        pictures: Pictures,
        after_save: Callable[[int], None] | None,
    ) -> None:
        for stage in stages:
            train_stage(
                stage,
                language,
                embed,
                packer,
                pictures,
                out / f"{stage.name}.pt",
                every=every,
                after_save=after_save,
                **common,
            )

    train_stages(recipe.written, table, SymbolicPictures(), None)
    train_stages(recipe.drawn, projector, pictures, save)
    return assemble(tower, projector, language, tokenizer)


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
