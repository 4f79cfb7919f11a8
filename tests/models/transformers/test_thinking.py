"""Thoughts of local models are switched, bounded and kept apart."""

import json
import shutil
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from transformers import GenerationConfig

from pixfoundation.errors import DataError
from pixfoundation.models.base import Decoding
from pixfoundation.models.transformers.adapter import load
from pixfoundation.models.transformers.generation import AnswerGenerator
from pixfoundation.models.transformers.thinking import Thinking, ThoughtLimit
from pixfoundation.types import Ended, Prompt
from tests.tiny_checkpoints import saved

STOP = 1
MARK = 2


class Letters:
    """A tokenizer with a token per character, a stop token, and `[THINK]` as a special token."""

    all_special_ids = (STOP, MARK)
    all_special_tokens = ("</s>", "[THINK]")
    pad_token_id = 0
    eos_token_id = STOP

    def decode(self, ids, skip_special_tokens=True, **_):
        names = {0: "", STOP: "</s>", MARK: "[THINK]"}
        shown = [i for i in map(int, ids) if not (skip_special_tokens and i in (STOP, MARK))]
        return "".join(names.get(i, chr(i)) for i in shown)

    def encode(self, text, add_special_tokens=False):
        return [ord(letter) for letter in text]


@dataclass
class Says:
    """A model that says a text to every prompt, through the logits processors."""

    ids: list
    device: str = "cpu"
    config: SimpleNamespace = field(  # of a model that is given no cache
        default_factory=lambda: SimpleNamespace(is_encoder_decoder=True)
    )
    dtype: torch.dtype = torch.float32

    def generate(self, input_ids, generation_config, logits_processor, **_):
        rows = input_ids
        for step in range(generation_config.max_new_tokens):
            scores = torch.zeros(len(rows), 200)
            wanted = self.ids[step] if step < len(self.ids) else STOP
            scores[:, wanted] = 1.0
            rows = torch.cat([rows, logits_processor(rows, scores).argmax(1)[:, None]], dim=1)
            if (rows[:, -1] == STOP).all():
                break
        return rows


def answer(said, prompt="hi", limit=60, thinking=0):
    ids = [MARK if c == "\x02" else ord(c) for c in said]
    generator = AnswerGenerator(
        Says(ids),
        Letters(),
        GenerationConfig(eos_token_id=STOP),
        thinking=Thinking(tokens=thinking),
    )
    inputs = {"input_ids": torch.tensor([[ord(c) for c in prompt]])}
    return generator.generate(inputs, None, Decoding(max_new_tokens=limit), "")[0]


def test_thoughts_and_their_tokens_are_kept_apart():
    found = answer("<think>(a)?</think>\nB it is")
    assert (found.text, found.thoughts, found.ended) == ("B it is", "(a)?", Ended.STOP)
    words = [found.text[low:high] for low, high in found.spans if low < high]
    assert "".join(words) == "B it is"
    assert len(found.token_ids) == len(found.spans) == len("<think>(a)?</think>\nB it is") + 1


def test_markers_that_the_tokenizer_calls_special_are_seen():
    found = answer("\x02(a)?[/THINK]B")
    assert (found.text, found.thoughts) == ("B", "(a)?")


def test_a_template_that_opens_thoughts_is_seen():
    assert answer("(a)?</think>B", prompt="x<think>\n").text == "B"
    cut = answer("Option (a) would", prompt="x<think>\n", limit=10)
    assert (cut.text, cut.thoughts, cut.ended) == ("", "Option (a)", Ended.LENGTH)


def test_an_answer_at_the_limit_says_so():
    assert answer("A red door", limit=5).ended is Ended.LENGTH
    assert answer("A red", limit=6).ended is Ended.STOP
    assert answer("A red", limit=5).ended is Ended.LENGTH


def test_thoughts_are_closed_at_their_limit_and_the_answer_has_its_own_room():
    found = answer("<think>" + "so " * 100, limit=20, thinking=16)
    assert found.thoughts == "so so so"
    assert found.text == "o so so so"
    assert len(found.token_ids) == 36
    short = answer("<think>ab</think>B", limit=5, thinking=20)
    assert (short.text, short.thoughts) == ("B", "ab")
    opened = answer("so " * 100, prompt="<think>", limit=20, thinking=6)
    assert opened.thoughts == "so so"


def test_each_row_of_a_batch_is_bounded_alone():
    prompt = torch.tensor([[ord(c) for c in "hi"]] * 2)
    limit = ThoughtLimit(Letters(), prompt, 8)
    said = ["<think>a", "B, as is"]
    rows = torch.cat([prompt, torch.tensor([[ord(c) for c in text] for text in said])], dim=1)
    scores = limit(rows, torch.zeros(2, 200))
    assert int(scores[0].argmax()) == ord("<")
    assert torch.isinf(scores[0]).sum() == 199
    assert not torch.isinf(scores[1]).any()


SWITCHED = (
    "{% for m in messages %}{% for c in m['content'] %}{{ '<image>' if c['type'] == 'image' else "
    "c['text'] }}{% endfor %}{% endfor %} answer:{% if enable_thinking is defined and not "
    "enable_thinking %} short{% endif %}{% if tone is defined %} {{ tone }}{% endif %}"
)


@pytest.fixture
def switched(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(saved("llava"), folder)
    for file in folder.glob("chat_template*"):
        file.unlink()
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": SWITCHED}))
    return str(folder)


def test_the_template_is_told_whether_to_think(switched):
    asked = load(switched, thinking=False, template_options={"tone": "kind"})
    assert asked._maker.prompt("Hm?").endswith("answer: short kind")
    assert load(switched)._maker.prompt("Hm?").endswith("answer:")
    recorded = asked.fingerprint()
    assert (recorded["thinking"], recorded["template_options"]) == (False, {"tone": "kind"})
    assert "thinking" not in load(switched).fingerprint()


def test_a_template_without_a_switch_is_refused():
    with pytest.raises(DataError, match="has no switch for thoughts"):
        load(str(saved("llava")), thinking=False)


def test_a_loaded_model_answers_within_both_limits():
    model = load(str(saved("llava")), thinking_tokens=4)
    prompt = Prompt("1", 1, "What is the cat?")
    image = Image.new("RGB", (64, 64))
    (found,) = model.answer([image], [prompt], Decoding(max_new_tokens=3, attention=True))
    assert len(found.token_ids) <= 7
    assert found.trace is not None
