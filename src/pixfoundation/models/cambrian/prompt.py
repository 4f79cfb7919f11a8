"""Cambrian's conversation as ids, with the image at the place that the samplers expect.

The template is Cambrian's own `llama_3`, not Meta's: no blank lines behind the headers. The system
text is quoted from `cambrian-mllm/cambrian` (Apache-2.0), line breaks and blanks included, since
the place of the image is counted over it: 91 tokens in Llama 3's vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixfoundation.errors import CheckpointError
from pixfoundation.models.cambrian.network import IMAGE_TOKEN

START = "<|begin_of_text|>"
END_OF_TURN = "<|eot_id|>"
END_OF_TEXT = "<|end_of_text|>"

SYSTEM = (
    "You are Cambrian, a highly intelligent multimodal AI trained by NYU Vision X. \n"
    "    As a multimodal AI, you have the ability to process and analyze images. Whenever an image "
    "is present in the conversation, very carefully examine it and consider its content when "
    "formulating your response.\n"
    "    You should give concise responses to very simple questions, but provide thorough "
    "responses to more complex and open-ended questions. "
)
BEFORE_IMAGE = (
    f"{START}<|start_header_id|>system<|end_header_id|>{SYSTEM}{END_OF_TURN}"
    "<|start_header_id|>user<|end_header_id|>"
)
AFTER_QUESTION = f"{END_OF_TURN}<|start_header_id|>assistant<|end_header_id|>"


def load_tokenizer(folder: Path) -> Any:
    """Open the tokenizer of a checkpoint folder.

    Raises:
        CheckpointError: If it is missing, damaged, or lacks the tokens of Llama 3's turns.
    """
    from transformers import AutoTokenizer, LlamaConfig

    try:
        # The configuration is given because config.json names a model unknown to
        # transformers.
        tokenizer = AutoTokenizer.from_pretrained(str(folder), config=LlamaConfig())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{folder} holds no tokenizer that can be opened ({str(error).splitlines()[0]}). "
            "Download tokenizer.json and tokenizer_config.json of the checkpoint."
        ) from error
    for token in (START, END_OF_TURN, "<|start_header_id|>", "<|end_header_id|>"):
        if len(_ids(tokenizer, token)) != 1:
            raise CheckpointError(
                f"The tokenizer in {folder} does not know {token}: it is not Llama 3's. "
                "Download the checkpoint's own."
            )
    return tokenizer


def prompt_ids(
    tokenizer: Any, question: str, *, image: bool = True, legacy_drop_newline: bool = False
) -> list[int]:
    """Return the ids of a question in Cambrian's conversation.

    Exactly one start token stands in front, the one that the template writes, whether or not the
    tokenizer would add its own: with two of them the image would move by one, and all samplers
    would read a grid shifted by one token.

    Args:
        tokenizer: From `load_tokenizer`.
        question: The user's question.
        image: Whether the question is about an image; it is written as one -200.
        legacy_drop_newline: Drop the first id behind the image, as the published inference script
            does: its splitter takes that id, the newline, for a start token.

    Returns:
        The ids up to where the model answers.
    """
    if not image:
        return _ids(tokenizer, f"{BEFORE_IMAGE}{question}{AFTER_QUESTION}")
    before = _ids(tokenizer, BEFORE_IMAGE)
    after = _ids(tokenizer, f"\n{question}{AFTER_QUESTION}")
    return [*before, IMAGE_TOKEN, *after[1 if legacy_drop_newline else 0 :]]


def turn_ends(tokenizer: Any) -> tuple[int, ...]:
    """Return the ids that end a turn or a text, as far as the tokenizer knows them.

    Llama 3 ends an answer with `<|eot_id|>`; a checkpoint whose configuration lists only
    `<|end_of_text|>` would run on.
    """
    candidates = (_ids(tokenizer, token) for token in (END_OF_TURN, END_OF_TEXT))
    return tuple(ids[0] for ids in candidates if len(ids) == 1)


def _ids(tokenizer: Any, text: str) -> list[int]:
    """Tokenise without adding tokens; a start token is kept only if the text writes one."""
    ids = tokenizer(text, add_special_tokens=False).input_ids
    written = 1 if text.startswith(START) else 0
    leading = 0
    while leading < len(ids) and ids[leading] == tokenizer.bos_token_id:
        leading += 1
    return ids[max(0, leading - written) :]
