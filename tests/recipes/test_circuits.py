"""The circuits that a language model starts with look where they should."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from recipes.circuits import letter_tokens, noun_tokens, start_circuits, start_letters  # noqa: E402
from recipes.language_model import LanguageConfig, build_language_model, text_config  # noqa: E402
from recipes.lookups import lookup_lesson  # noqa: E402
from recipes.tiny_llava import Recipe, corpus  # noqa: E402
from recipes.tokenizer import BOS, EOS, PAD, token_id, train_tokenizer  # noqa: E402


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(corpus(Recipe(corpus=200)))


@pytest.fixture(scope="module")
def model(tokenizer):
    names = {"pad": PAD, "bos": BOS, "eos": EOS}
    ids = {name: token_id(tokenizer, token) for name, token in names.items()}
    model = build_language_model(text_config(LanguageConfig(), len(tokenizer), ids), seed=0)
    with torch.no_grad():
        words = model.model.embed_tokens.weight
        words.copy_(torch.randn(words.shape, generator=torch.Generator().manual_seed(0)) * 0.1)
    letters = letter_tokens(tokenizer)
    start_letters(model.model.embed_tokens, letters)
    start_circuits(model, letters, noun_tokens(tokenizer), seed=0)
    model.set_attn_implementation("eager")
    return model


def attention(model, tokenizer, text):
    """Tokens of a text, and attention [layers, heads, tokens, tokens]."""
    ids = tokenizer(text, return_tensors="pt").input_ids
    with torch.no_grad():
        maps = model(ids, output_attentions=True).attentions
    return tokenizer.convert_ids_to_tokens(ids[0]), torch.stack(maps)[:, 0]


def test_letters_of_options_are_tokens(tokenizer):
    assert set("ABCDEFG") <= set(letter_tokens(tokenizer))


def test_two_heads_of_the_first_layer_look_two_tokens_and_one_token_back(model, tokenizer):
    tokens, maps = attention(model, tokenizer, "USER: What color is the fish? Options:\nA. Red")
    for head, distance in ((0, 2), (1, 1)):
        for row in range(distance, len(tokens)):
            assert int(maps[0, head, row].argmax()) == row - distance


def test_heads_of_the_second_layer_look_at_the_noun(model, tokenizer):
    tokens, maps = attention(model, tokenizer, "USER: What color is the fish? Options:\nA. Red")
    noun = tokens.index("\u0120fish")
    for head in (1, 2, 3):
        assert int(maps[1, head, -1].argmax()) == noun
        assert maps[1, head, -1, noun] > 0.5


def test_an_untrained_reading_head_finds_options_ten_times_as_often_as_chance(model, tokenizer):
    rng = np.random.default_rng(1)
    right, chance = [], []
    for _ in range(60):
        each = lookup_lesson(rng, named_before=False)
        tokens, maps = attention(model, tokenizer, f"USER: \n{each.prompt} ASSISTANT:{each.begun}")
        option = tokens[-1]
        place = tokens.index(option)
        looked = maps[3, 0, -1, : len(tokens) - 1]
        right.append(int(looked.argmax()) == place)
        chance.append(1 / len(looked))
    assert np.mean(right) > 10 * np.mean(chance)
