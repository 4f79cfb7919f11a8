"""A small LLaVA whose weights are set by hand, so that it is known where it looks and why.

The model is a real checkpoint of transformers (SigLIP tower without effect, projector, Llama with 5
layers of 4 heads) and goes through the package's own adapter. On the images of `planted_samples`, a
grey texture with a red or green ball (2 x 2 patches) and a blue or yellow tile (2 x 2 patches):

* Head 3.1 alone looks at the ball, from the tokens ' the', ' red' and ' green' of the answer, and
  from all tokens of an answer to protocol 2. From other tokens it looks everywhere alike.
* Head 1.3 looks at the tile, from all tokens.
* Head 2.0 finds the word ' letter' of the prompt of protocol 2.
* All other heads look at fixed places that depend on the token and not on the image's content, and
  write nothing.
* The answer is 'It is the red ball near a wall.' or '... green ...', and 'A' (red) or 'B' (green)
  to protocol 2. The colour is what head 3.1 saw (`answer_from='ball'`), or what head 1.3 saw: red
  for blue, green for yellow (`answer_from='tile'`); then the ball is looked at and not used.
* The states of the image tokens on the ball say ' ball', all others nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers as hf
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pixfoundation.loading import load_model
from pixfoundation.masks import Mask
from pixfoundation.segmenters.base import Box, Point, PromptKind, SegmenterOutput
from pixfoundation.types import Sample
from tests.tiny_checkpoints import template

AnswerFrom = Literal["ball", "tile"]
LAYERS, HEADS, GRID, PATCH = 5, 4, 8, 8
BALL_HEAD = (3, 1)
"""(layer, head) that looks at the ball."""
TILE_HEAD = (1, 3)
"""(layer, head) that looks at the tile."""
MODE_HEAD = (2, 0)
"""(layer, head) that finds the instruction of protocol 2."""
SIDE = GRID * PATCH
SENTENCE = "It is the {colour} ball near a wall."
QUESTION = "Is the ball red or green?"
LOOKING = (" the", " red", " green")
"""The tokens from whose queries head 3.1 looks at the ball."""

_WIDTH, _DIM = 64, 16  # of the hidden states, of a head
_CONSTANT = 0  # index of the constant in the hidden states; it makes all norms nearly constant
_WORDS = (":", "It", " is", " the", " red", " green", " ball", " near", " a", " wall", ".")
_MARKS = (*_WORDS, " letter", "A", "B")
_MARK = {word: 2 + place for place, word in enumerate(_MARKS)}  # index of each word's own feature
_BALL, _COLOUR, _TILE, _SHADE = 20, 21, 22, 23  # of the image tokens: unsigned and signed
_NOISE = slice(24, 40)  # a random vector for each place, of the image tokens
_MODE, _SEEN = 40, 41  # written by heads: an answer to protocol 2 is wanted; the colour
_SIZE = float(_WIDTH) ** 0.5  # a feature of this size is 1 behind the norm


def planted_checkpoint(folder: Path, answer_from: AnswerFrom = "ball") -> Path:
    """Makes and saves the checkpoint."""
    words = _tokenizer()
    config = hf.LlavaConfig(
        vision_config=hf.SiglipVisionConfig(
            hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            image_size=SIDE, patch_size=PATCH, vision_use_head=False,
        ),
        text_config=hf.LlamaConfig(
            vocab_size=len(words), hidden_size=_WIDTH, intermediate_size=16,
            num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=HEADS,
            head_dim=_DIM, max_position_embeddings=2048,
            rope_parameters={"rope_type": "default", "rope_theta": 1e15},
            bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="full",
        image_seq_length=GRID * GRID,
    )  # fmt: skip
    processor = hf.LlavaProcessor(
        hf.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}),
        words,
        patch_size=PATCH,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=template("<image>"),
    )
    model = hf.LlavaForConditionalGeneration._from_config(config, dtype=torch.float32)
    with torch.no_grad():
        _plant(model.eval(), words, answer_from)
    model.generation_config = hf.GenerationConfig(
        bos_token_id=1, eos_token_id=2, pad_token_id=0, max_length=4096
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


_folder = tempfile.TemporaryDirectory(prefix="pixfoundation-planted-")


@cache
def saved_planted(answer_from: AnswerFrom = "ball") -> Path:
    """Returns the folder of the checkpoint, made once a session."""
    return planted_checkpoint(Path(_folder.name) / answer_from, answer_from)


def planted_model(answer_from: AnswerFrom = "ball", **options: Any) -> Any:
    """Loads the checkpoint by the package's adapter, on the CPU."""
    return load_model(
        str(saved_planted(answer_from)), **{"device": "cpu", "dtype": "float32", **options}
    )


@dataclass(frozen=True)
class Scene:
    """What is in an image: colours, and the top left patches (row, column) of ball and tile."""

    red: bool
    blue: bool
    ball: tuple[int, int]
    tile: tuple[int, int]


def draw(scene: Scene, seed: int) -> Image.Image:
    """Draws a scene of `SIDE` x `SIDE` pixels on a grey texture."""
    grey = np.random.default_rng(seed).integers(90, 160, (SIDE, SIDE, 1), dtype=np.uint8)
    pixels = np.repeat(grey, 3, axis=2)
    pixels[_inside(scene.ball)] = (220, 30, 125) if scene.red else (30, 220, 125)
    pixels[_inside(scene.tile)] = (60, 60, 250) if scene.blue else (220, 220, 30)
    return Image.fromarray(pixels)


def planted_scenes(pairs: int, seed: int = 0) -> list[Scene]:
    """Returns `2 * pairs` scenes; in a pair, the ball has both colours and another place."""
    rng = np.random.default_rng(seed)
    scenes = []
    for _ in range(pairs):
        first = bool(rng.integers(2))
        for red in (first, not first):
            ball, tile = (0, 0), (0, 0)
            while max(abs(ball[0] - tile[0]), abs(ball[1] - tile[1])) < 3:
                places = rng.integers(0, GRID - 1, (2, 2)).tolist()
                ball, tile = tuple(places[0]), tuple(places[1])
            scenes.append(Scene(red, bool(rng.integers(2)), ball, tile))
    return scenes


def planted_samples(
    folder: Path, pairs: int, seed: int = 0, truth: AnswerFrom = "ball"
) -> list[Sample]:
    """Draws images and asks for the colour of the ball.

    The correct answer is the ball's colour, or what a model with `answer_from='tile'` says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for index, scene in enumerate(planted_scenes(pairs, seed)):
        path = folder / f"{index}.png"
        draw(scene, 1000 * seed + index).save(path)
        inside = np.zeros((SIDE, SIDE), bool)
        inside[_inside(scene.ball)] = True
        samples.append(
            Sample(
                id=str(index),
                image=path,
                size=(SIDE, SIDE),
                question=QUESTION,
                options=("Red", "Green"),
                answer="a" if (scene.red if truth == "ball" else scene.blue) else "b",
                expression="the ball",
                mask=Mask.from_array(inside),
                pair=str(index // 2),
                tags={"pattern": "Color and Appearance"},
            )
        )
    return samples


@dataclass
class PlantedDataset:
    """The samples as a dataset."""

    samples: list[Sample]
    name: str = "planted"
    notes: tuple[str, ...] = field(default=())

    def fingerprint(self) -> str:
        return json.dumps([sample.id for sample in self.samples])

    def check(self) -> list[Any]:
        return []


class SquareSegmenter:
    """Draws squares of 8, 16 and 24 pixels around each point."""

    name = "squares"

    prompts: frozenset[PromptKind] = frozenset({"points"})

    def segment(
        self,
        image: Image.Image,
        points: Sequence[Point] = (),
        boxes: Sequence[Box] = (),
        points_in_boxes: Sequence[Sequence[Point]] = (),
        masks: Sequence[NDArray[np.bool_]] = (),
    ) -> SegmenterOutput:
        y, x = np.mgrid[: image.height, : image.width] + 0.5
        squares = [
            [np.maximum(abs(x - px), abs(y - py)) <= half for half in (4, 8, 12)]
            for px, py in points
        ]
        return SegmenterOutput(
            np.array(squares), np.tile(np.array([0.3, 0.9, 0.5], np.float32), (len(squares), 1))
        )

    def fingerprint(self) -> dict[str, Any]:
        return {}


def _inside(corner: tuple[int, int]) -> tuple[slice, slice]:
    row, column = (PATCH * place for place in corner)
    return slice(row, row + 2 * PATCH), slice(column, column + 2 * PATCH)


def _tokenizer() -> Any:
    """A byte-level tokenizer in which every planted word is one token."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = [SENTENCE.format(colour=colour) for colour in ("red", "green")]
    backend.train_from_iterator([*lines, "the letter USER: ASSISTANT: Identify"] * 8, trainer)
    made = hf.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    made.add_special_tokens({"additional_special_tokens": ["<image>"]})
    return made


def _plant(model: Any, words: Any, answer_from: AnswerFrom) -> None:
    rng = torch.Generator().manual_seed(0)
    _plant_tower(model.model.vision_tower, rng)
    _plant_projector(model.model.multi_modal_projector)
    text = model.model.language_model
    for layer, block in enumerate(text.layers):
        block.mlp.down_proj.weight.zero_()
        attention = block.self_attn
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            getattr(attention, name).weight.zero_()
        for head in range(HEADS):
            _plant_head(attention, (layer, head), answer_from, rng)
    ids = {word: _id(words, word) for word in _MARKS}
    text.embed_tokens.weight.zero_()
    text.embed_tokens.weight[:, _CONSTANT] = _WIDTH
    for word, token in ids.items():
        text.embed_tokens.weight[token, _MARK[word]] = _SIZE
    _plant_output(model.lm_head.weight, ids)


def _id(words: Any, word: str) -> int:
    tokens = words.encode(word, add_special_tokens=False)
    if len(tokens) != 1:
        raise ValueError(f"{word!r} is {len(tokens)} tokens.")
    return tokens[0]


def _plant_tower(tower: Any, rng: torch.Generator) -> None:
    """Features 0 and 1: the two colour differences of a patch; 2 to 17: noise for each place."""
    embeddings = tower.embeddings if hasattr(tower, "embeddings") else tower.vision_model.embeddings
    kernel, area = embeddings.patch_embedding.weight, PATCH * PATCH
    kernel.zero_()
    embeddings.patch_embedding.bias.zero_()
    kernel[0, 0], kernel[0, 1] = 1 / area, -1 / area  # red minus green
    kernel[1, 0], kernel[1, 1], kernel[1, 2] = -0.5 / area, -0.5 / area, 1 / area
    places = embeddings.position_embedding.weight
    places.zero_()
    places[:, 2:18] = torch.randn(len(places), 16, generator=rng)


def _plant_projector(projector: Any) -> None:
    first, second = projector.linear_1, projector.linear_2
    for layer in (first, second):
        layer.weight.zero_()
        layer.bias.zero_()
    for place, (unsigned, signed) in enumerate(((_BALL, _COLOUR), (_TILE, _SHADE))):
        plus, minus = 2 * place, 2 * place + 1
        first.weight[plus, place], first.weight[minus, place] = 4.0, -4.0
        for row, sign in ((unsigned, 1), (signed, -1)):  # gelu(x) +- gelu(-x): about |x|, and x
            second.weight[row, plus] = _SIZE / 6
            second.weight[row, minus] = sign * _SIZE / 6
    noise = range(16)
    for place in noise:
        first.weight[4 + place, 2 + place] = 1.0
        first.bias[4 + place] = 10.0  # gelu is the identity there
        second.weight[_NOISE.start + place, 4 + place] = _SIZE
        second.bias[_NOISE.start + place] = -10.0 * _SIZE
    second.bias[_CONSTANT] = _WIDTH


def _plant_head(
    attention: Any, head: tuple[int, int], answer_from: AnswerFrom, rng: torch.Generator
) -> None:
    """Set the weights of one head; components 6 and 7 of a head are hardly rotated by position."""
    at = head[1] * _DIM
    q, k, v, o = (
        getattr(attention, name).weight for name in ("q_proj", "k_proj", "v_proj", "o_proj")
    )
    noise = torch.randn(2 + len(_MARKS), 16, generator=rng) / 4
    if head == BALL_HEAD:
        for word in LOOKING:
            q[at + 7, _MARK[word]] = 7.0
        q[at + 7, _MODE] = 7.0
        k[at + 7, _BALL] = 7.0
        if answer_from == "ball":
            v[at, _COLOUR], o[_SEEN, at] = 1.0, _SIZE
    elif head == TILE_HEAD:
        q[at + 7, _CONSTANT] = 7.0 / _SIZE
        k[at + 7, _TILE] = 7.0
        if answer_from == "tile":
            v[at, _SHADE], o[_SEEN, at] = 1.0, _SIZE
    elif head == MODE_HEAD:
        q[at + 7, _CONSTANT] = 8.0 / _SIZE
        k[at + 7, _MARK[" letter"]] = 8.0
        v[at, _MARK[" letter"]], o[_MODE, at] = 1.0, _SIZE
    else:
        q[at + 6, _CONSTANT] = 4.0 / _SIZE
        k[at + 6, _NOISE] = noise[0]
        for place, word in enumerate(_MARKS):
            q[at + 7, _MARK[word]] = 4 * float(noise[2 + place, 0])
        k[at + 7, _NOISE] = noise[1]


def _plant_output(head: Any, ids: dict[str, int]) -> None:
    end = 2
    follows: list[tuple[str, int]] = [
        (word, ids[after]) for word, after in pairwise(_WORDS) if word not in (" the", " red")
    ]
    follows += [(" the", ids[" red"]), (" the", ids[" green"]), (" red", ids[" ball"])]
    head.zero_()
    for word, token in [*follows, (".", end)]:
        head[token, _MARK[word]] = 20.0
    for word in ("A", "B"):
        head[ids[word], _MODE] = 40.0
        head[end, _MARK[word]] = 60.0
    for sign, words in ((1, (" red", "A")), (-1, (" green", "B"))):
        for word in words:
            head[ids[word], _SEEN] = 3.0 * sign
    head[ids[" ball"], _BALL] = 6.0
