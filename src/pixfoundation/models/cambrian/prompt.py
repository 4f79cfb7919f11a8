"""The conversation of Cambrian-1 as ids, with the image at the position that its samplers expect.

The template is Cambrian's own `llama_3`, which differs from Meta's: no blank lines follow the
headers. The system text is quoted from `cambrian-mllm/cambrian` (Apache-2.0), with its line breaks
and blanks, because it determines the position of the image: 91 tokens in Llama 3's vocabulary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixfoundation.errors import CheckpointError
from pixfoundation.failures import in_short
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
        CheckpointError: If the tokenizer is missing, damaged, or without the tokens of Llama 3's
            turns.
    """
    from transformers import AutoTokenizer, LlamaConfig

    try:
        # With a configuration, because config.json names a model that transformers does not know.
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), config=LlamaConfig(), trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"The tokenizer in {folder} cannot be opened ({in_short(error).removesuffix('.')}). "
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

    The ids begin with exactly one start token, that of the template, whether or not the tokenizer
    adds its own. With two start tokens the image would move by one position, and all samplers would
    read a grid shifted by one token.

    Args:
        tokenizer: From `load_tokenizer`.
        question: The user's question.
        image: Whether the question is about an image, which is represented by one -200.
        legacy_drop_newline: Whether to drop the first id after the image, as the published
            inference script does: its splitter takes that id, the newline, for a start token.

    Returns:
        The ids up to the beginning of the answer.
    """
    if not image:
        return _ids(tokenizer, f"{BEFORE_IMAGE}{question}{AFTER_QUESTION}")
    before = _ids(tokenizer, BEFORE_IMAGE)
    after = _ids(tokenizer, f"\n{question}{AFTER_QUESTION}")
    return [*before, IMAGE_TOKEN, *after[1 if legacy_drop_newline else 0 :]]


def turn_ends(tokenizer: Any) -> tuple[int, ...]:
    """Return the ids that end a turn or a text, if the tokenizer knows them.

    Llama 3 ends an answer with `<|eot_id|>`. If the checkpoint's configuration lists only
    `<|end_of_text|>`, decoding would continue after it.
    """
    encoded = (_ids(tokenizer, token) for token in (END_OF_TURN, END_OF_TEXT))
    return tuple(ids[0] for ids in encoded if len(ids) == 1)


def _ids(tokenizer: Any, text: str) -> list[int]:
    """Return the ids of a text, with a start token only if the text begins with one."""
    ids = tokenizer(text, add_special_tokens=False).input_ids
    written = 1 if text.startswith(START) else 0
    leading = 0
    while leading < len(ids) and ids[leading] == tokenizer.bos_token_id:
        leading += 1
    return ids[max(0, leading - written) :]
