import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from pixfoundation.models.common.seg_token import (
    IMAGE_TOKEN,
    Generated,
    greedy,
    splice,
    spliced_position,
    states_of,
)


@pytest.fixture(scope="module")
def llm():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    return model


def test_image_states_stand_where_the_prompt_says():
    embed = nn.Embedding(10, 4)
    image = torch.ones(3, 4)
    spliced = splice(embed, torch.tensor([1, 2, IMAGE_TOKEN, 5]), image)
    assert spliced.shape == (1, 6, 4)
    assert torch.equal(spliced[0, 2:5], image)
    assert torch.equal(spliced[0, [0, 1, 5]], embed(torch.tensor([1, 2, 5])))


def test_a_prompt_takes_one_image_or_none():
    embed = nn.Embedding(10, 4)
    assert splice(embed, torch.tensor([1, 2]), torch.ones(3, 4)).shape == (1, 2, 4)
    with pytest.raises(ValueError, match="holds 2 images"):
        splice(embed, torch.tensor([IMAGE_TOKEN, 1, IMAGE_TOKEN]), torch.ones(3, 4))


def test_positions_after_the_image_move_by_its_tokens():
    ids = torch.tensor([1, IMAGE_TOKEN, 5, 6])
    assert spliced_position(ids, 0, 256) == 0
    assert spliced_position(ids, 2, 256) == 257
    assert spliced_position(ids, 3, 576) == 578


@torch.no_grad()
def test_ids_and_states_equal_those_of_one_pass_over_everything(llm):
    prompt = torch.tensor([[3, 4, 5]])
    embed = llm.get_input_embeddings()
    generated = greedy(llm, embed(prompt), 9, stop_ids=(), prompt_positions=[1])
    whole = torch.cat([prompt, generated.ids[None]], 1)
    states = llm.model(whole).last_hidden_state[0]
    assert torch.allclose(generated.states, states[2:-1], atol=1e-5)
    assert torch.allclose(generated.prompt, states[[1]], atol=1e-5)
    assert llm.lm_head(states[2:-1]).argmax(-1).tolist() == generated.ids.tolist()


def test_decoding_ends_after_a_stop_id_or_the_bound(llm):
    embeddings = llm.get_input_embeddings()(torch.tensor([[3, 4, 5]]))
    free = greedy(llm, embeddings, 6, stop_ids=()).ids.tolist()
    assert len(free) == 6
    stopped = greedy(llm, embeddings, 6, stop_ids=[free[2]]).ids.tolist()
    assert stopped == free[: free.index(free[2]) + 1]
    with pytest.raises(ValueError, match="at least 1"):
        greedy(llm, embeddings, 0, stop_ids=())


def test_the_state_of_a_seg_is_the_one_that_emitted_it():
    states = torch.arange(8.0).reshape(4, 2)
    generated = Generated(torch.tensor([7, 9, 7, 2]), states, states[:0])
    assert torch.equal(states_of(generated, 7), states[[0, 2]])
    assert states_of(generated, 5).shape == (0, 2)
