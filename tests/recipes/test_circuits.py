"""The circuits that a language model starts with look where they should."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from recipes.circuits import (  # noqa: E402
    letter_tokens,
    start_circuits,
    start_letters,
    topic_tokens,
)
from recipes.language_model import LanguageConfig, build_language_model, text_config  # noqa: E402
from recipes.lookups import lookup_lesson  # noqa: E402
from recipes.tiny_llava import Recipe, corpus  # noqa: E402
from recipes.tokenizer import BOS, EOS, PAD, token_id, train_tokenizer  # noqa: E402


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(corpus(Recipe(corpus=200)))


def untrained(tokenizer):
    """A model of the usual shape whose words are random vectors."""
    names = {"pad": PAD, "bos": BOS, "eos": EOS}
    ids = {name: token_id(tokenizer, token) for name, token in names.items()}
    model = build_language_model(text_config(LanguageConfig(), len(tokenizer), ids), seed=0)
    with torch.no_grad():
        words = model.model.embed_tokens.weight
        words.copy_(torch.randn(words.shape, generator=torch.Generator().manual_seed(0)) * 0.1)
    return model


@pytest.fixture(scope="module")
def model(tokenizer):
    model = untrained(tokenizer)
    letters = letter_tokens(tokenizer)
    start_letters(model.model.embed_tokens, letters)
    topics = topic_tokens(tokenizer)
    start_circuits(model, letters, topics, model.model.embed_tokens.weight[topics[:4]], seed=0)
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


@pytest.mark.parametrize(
    ("question", "topic"),
    [("What color is the fish?", "fish"), ("Is the cup seen from the side or from above?", "cup")],
)
def test_a_head_of_the_second_layer_looks_at_the_noun(model, tokenizer, question, topic):
    tokens, maps = attention(model, tokenizer, f"USER: {question} Options:\nA. Red")
    noun = tokens.index(f"\u0120{topic}")
    assert int(maps[1, 1, -1].argmax()) == noun
    assert maps[1, 1, -1, noun] > 0.5


def test_a_question_for_a_number_is_about_its_noun_and_about_many(model, tokenizer):
    tokens, maps = attention(model, tokenizer, "USER: How many cups are there in the picture?")
    about = [tokens.index("\u0120many"), tokens.index("\u0120cups")]
    assert sorted(maps[1, 1, -1].topk(2).indices.tolist()) == about


def test_that_head_passes_on_what_the_words_stand_for_and_nothing_else(tokenizer):
    model = untrained(tokenizer)
    meanings = torch.randn(3, 192, generator=torch.Generator().manual_seed(5))
    start_circuits(model, letter_tokens(tokenizer), topic_tokens(tokenizer), meanings, seed=0)
    head, width = 192 // 6, 192
    attention = model.model.layers[1].self_attn
    rows = slice(head, 2 * head)
    passes = attention.o_proj.weight[:, rows] @ attention.v_proj.weight[rows]
    assert torch.allclose(passes @ meanings.T, 0.5 * meanings.T, atol=1e-4)
    assert int(torch.linalg.matrix_rank(passes, atol=1e-4)) == len(meanings) < width


def test_a_head_passes_on_no_more_vectors_than_it_is_wide(tokenizer):
    model = untrained(tokenizer)
    with pytest.raises(ValueError, match="cannot pass on 33 vectors"):
        start_circuits(model, {}, topic_tokens(tokenizer), torch.randn(33, 192), seed=0)


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
