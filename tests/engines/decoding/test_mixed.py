"""Adapters in one batch: each row says what PEFT says with its adapter alone."""

import json
import random

import pytest

from folkmoot.engines.contract import EngineError
from folkmoot.engines.decoding.job import Draw

GREEDY = Draw(0.0, 1.0, 0.0)
SIZES = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EVERYWHERE = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def tiny(name="Llama", **changes):
    """A model with random weights."""
    import torch
    import transformers

    sizes = {"vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4} if name == "GPT2" else SIZES | changes
    kind = {"GPT2": "GPT2LMHeadModel"}.get(name, f"{name}ForCausalLM")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = getattr(transformers, kind)(getattr(transformers, f"{name}Config")(**sizes)).float().eval()
    for p in model.parameters():
        if p.ndim > 1:
            torch.nn.init.normal_(p, std=0.15)
    return model


def lora(folder, seed=1, model=None, **config):
    """A random adapter in a folder."""
    import torch
    from peft import LoraConfig, get_peft_model

    peft = get_peft_model(model or tiny(), LoraConfig(**({"r": 4, "target_modules": EVERYWHERE} | config)))
    torch.manual_seed(seed)
    for name, p in peft.named_parameters():
        if "lora_" in name and "magnitude" not in name:
            torch.nn.init.normal_(p, std=0.3)
    peft.save_pretrained(folder)
    return str(folder)


def decoder_of(model):
    from folkmoot.engines.decoding.attention import use_grouped_attention
    from folkmoot.engines.decoding.model import Decoder

    use_grouped_attention(model)
    return Decoder(model, "cpu")


def with_peft(model, folder):
    """What PEFT makes of a model and one adapter."""
    from peft import PeftModel

    return model if folder is None else PeftModel.from_pretrained(model, folder).eval()


def greedy(model, prompt, n):
    """The greedy reply, with neither cache nor batch."""
    import torch

    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(n):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def prompts(*lengths):
    pick = random.Random(1)
    return [[pick.randrange(3, 300) for _ in range(n)] for n in lengths]


def say(decoder, asked, adapters, n):
    """Greedy replies of a batch."""
    for adapter in adapters:
        decoder.company(adapter)
    said = [[t] for t in decoder.add(asked, [GREEDY] * len(asked), adapters)]
    for _ in range(n - 1):
        for row, token in zip(said, decoder.step([r[-1] for r in said], [GREEDY] * len(said)), strict=True):
            row.append(token)
    decoder.clear()
    return said


PLAIN = {
    "all layers": {},
    "two layers": {"target_modules": ["q_proj", "v_proj"]},
    "ranks and alphas by pattern": {"rank_pattern": {"q_proj": 7, "down_proj": 2}, "alpha_pattern": {"k_proj": 32}},
    "rank-stabilised": {"use_rslora": True, "lora_alpha": 3},
    "some depths": {"layers_to_transform": [0, 2], "r": 3},
    "by expression": {"target_modules": r".*\.1\..*(gate|up)_proj", "lora_alpha": 16},
    "the last matrix": {"target_modules": ["lm_head", "o_proj"], "lora_alpha": 2},
}


def test_every_row_says_what_peft_says_with_its_adapter_alone(tmp_path):
    adapters = [None, *(lora(tmp_path / name, i, **config) for i, (name, config) in enumerate(PLAIN.items()))]
    asked = prompts(*range(5, 5 + len(adapters)))
    expected = [greedy(with_peft(tiny(), a), p, 12) for a, p in zip(adapters, asked, strict=True)]
    assert len({tuple(e) for e in expected}) == len(expected)
    decoder = decoder_of(tiny())
    assert {decoder.company(a) for a in adapters} == {None}
    assert say(decoder, asked, adapters, 12) == expected
    few = [2, 0, 5]  # some of many
    assert say(decoder, [asked[i] for i in few], [adapters[i] for i in few], 12) == [expected[i] for i in few]
    assert say(decoder, [asked[0]] * 2, [None] * 2, 12) == [expected[0]] * 2, "the base is as it was"


def test_layers_that_are_transposed_mix_too(tmp_path):
    config = {"target_modules": ["c_attn", "c_fc"], "fan_in_fan_out": True}
    adapters = [lora(tmp_path / str(i), i, tiny("GPT2"), **config) for i in range(2)]
    asked = prompts(4, 9, 6)
    expected = [greedy(with_peft(tiny("GPT2"), a), p, 8) for a, p in zip([*adapters, None], asked, strict=True)]
    decoder = decoder_of(tiny("GPT2"))
    assert {decoder.company(a) for a in adapters} == {None}
    assert say(decoder, asked, [*adapters, None], 8) == expected


def test_rows_that_come_and_go_keep_their_adapters(tmp_path):
    adapters = [lora(tmp_path / str(i), i) for i in range(6)]
    asked = prompts(5, 8, 11, 6, 7, 9)
    expected = [greedy(with_peft(tiny(), a), p, 12) for a, p in zip(adapters, asked, strict=True)]
    decoder = decoder_of(tiny())
    for adapter in adapters:
        decoder.company(adapter)
    rows, said = [], [[] for _ in asked]

    def note(which, tokens):
        for i, token in zip(which, tokens, strict=True):
            said[i].append(token)

    def join(*new):
        note(new, decoder.add([asked[i] for i in new], [GREEDY] * len(new), [adapters[i] for i in new]))
        rows.extend(new)

    def step(times):
        for _ in range(times):
            note(rows, decoder.step([said[i][-1] for i in rows], [GREEDY] * len(rows)))

    def leave(*gone):
        rows[:] = [rows[i] for i in decoder.drop([rows.index(g) for g in gone])]

    join(0, 5)  # far apart among six: copied out
    step(2)
    join(1)
    step(2)
    leave(0)
    join(2, 3, 4)
    step(3)
    leave(1, 3)
    step(4)
    for row, e in zip(said, expected, strict=True):
        assert row == e[: len(row)]
    assert min(map(len, said)) >= 4


def test_equal_prompts_with_one_adapter_are_computed_once(tmp_path):
    one, two = lora(tmp_path / "one", 1), lora(tmp_path / "two", 2)
    (prompt, other) = prompts(9, 6)
    decoder = decoder_of(tiny())
    for adapter in (one, two):
        decoder.company(adapter)
    seen = []
    decoder._model.get_input_embeddings().register_forward_hook(lambda _m, x, _y: seen.append(tuple(x[0].shape)))
    said = [decoder.add([other], [GREEDY], [two])]
    said[0] += decoder.add([prompt] * 3, [GREEDY, Draw(2.0, 1.0, 0.99), GREEDY], [one] * 3)
    decoder.add([prompt] * 2, [GREEDY] * 2, [one, two])
    assert seen == [(1, 6), (1, 9), (2, 9)], "equal prompts of different adapters are not alike"
    decoder.drop([4, 5])
    assert said[0][1] == said[0][3] != said[0][2], "drawn each for itself"
    for _ in range(5):
        said.append(decoder.step(said[-1], [GREEDY] * 4))
    rows = [[tokens[i] for tokens in said] for i in range(4)]
    assert rows[0] == greedy(with_peft(tiny(), two), other, 6)
    assert rows[1] == rows[3] == greedy(with_peft(tiny(), one), prompt, 6)
    assert rows[2][1:] == greedy(with_peft(tiny(), one), prompt + rows[2][:1], 5)


def test_options_are_scored_with_the_adapters_of_their_rows(tmp_path):
    import torch

    adapters = [lora(tmp_path / "one", 1), None, lora(tmp_path / "two", 2), None]
    asked, options = prompts(4, 9, 6, 5), [[[5], [6, 7]], [[8, 9, 10]], [[5, 6], [7]], [[11]]]
    decoder = decoder_of(tiny())
    for adapter in adapters:
        decoder.company(adapter)
    running = decoder.add(prompts(7), [GREEDY], adapters[:1])
    found = decoder.score(asked, options, adapters)
    for got, prompt, some, adapter in zip(found, asked, options, adapters, strict=True):
        model, means = with_peft(tiny(), adapter), []
        for option in some:
            with torch.inference_mode():
                p = model(torch.tensor([prompt + option])).logits[0].log_softmax(-1)
            means.append(sum(float(p[len(prompt) - 1 + i, t]) for i, t in enumerate(option)) / len(option))
        assert got == pytest.approx(means, abs=1e-4)
    running += decoder.step(running, [GREEDY])
    assert running == greedy(with_peft(tiny(), adapters[0]), prompts(7)[0], 2), "rows that run are left alone"


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"use_dora": True}, id="DoRA"),
        pytest.param({"lora_bias": True}, id="bias"),
        pytest.param({"target_modules": ["embed_tokens", "q_proj"]}, id="embeddings"),
        pytest.param({"modules_to_save": ["lm_head"]}, id="whole modules"),
    ],
)
def test_other_adapters_are_applied_by_peft_one_at_a_time(tmp_path, config):
    odd, plain = lora(tmp_path / "odd", 1, **config), lora(tmp_path / "plain", 2)
    asked = prompts(5, 8)
    decoder = decoder_of(tiny())
    assert decoder.company(plain) is None
    assert decoder.company(odd) not in (None, decoder.company(lora(tmp_path / "odd2", 3, **config)))
    for adapters in ([odd, odd], [plain, None], [odd, odd], [None, plain]):
        expected = [greedy(with_peft(tiny(), a), p, 8) for a, p in zip(adapters, asked, strict=True)]
        assert say(decoder, asked, adapters, 8) == expected


def test_experts_that_see_some_tokens_only_do_not_mix():
    import torch

    from folkmoot.engines.decoding.mixed import mixable

    class Experts(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.gate, self.expert = torch.nn.Linear(8, 2), torch.nn.Linear(8, 8)
            self.device = torch.device("cpu")

        def forward(self, ids, use_cache):
            x = torch.nn.functional.one_hot(ids, 8).float()
            wants = self.gate(x).argmax(-1) == 0
            x[wants] = self.expert(x[wants])
            return x

    assert set(mixable(Experts())) == {"gate"}


def test_in_half_precision_logits_stay_close(tmp_path):
    import torch

    adapters = [lora(tmp_path / str(i), i) for i in range(3)]
    (prompt,) = prompts(20)
    decoder = decoder_of(tiny().bfloat16())
    for adapter in adapters:
        decoder.company(adapter)
    worn = [decoder._adapters.worn(a) for a in adapters]
    with torch.inference_mode():
        decoder._adapters.apply(worn)
        mixed = decoder._model(torch.tensor([prompt] * 3)).logits.float()
        for logits, adapter in zip(mixed, adapters, strict=True):
            exact = with_peft(tiny(), adapter)(torch.tensor([prompt])).logits[0]
            half = with_peft(tiny().bfloat16(), adapter)(torch.tensor([prompt])).logits[0].float()
            assert (logits - exact).norm() < 1.5 * (half - exact).norm()


def test_a_row_that_overflows_does_not_spoil_the_others(tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    good, wild = lora(tmp_path / "good", 1), lora(tmp_path / "wild", 2)
    file = tmp_path / "wild" / "adapter_model.safetensors"
    save_file({k: torch.full_like(v, 1e38) if "lora_A" in k else v for k, v in load_file(file).items()}, file)
    asked = prompts(5, 8)
    decoder = decoder_of(tiny())
    for adapter in (good, wild):
        decoder.company(adapter)
    first = decoder.add(asked, [GREEDY] * 2, [good, wild])
    assert first[1] == -1
    second = decoder.step([first[0], 7], [GREEDY] * 2)
    assert [first[0], second[0]] == greedy(with_peft(tiny(), good), asked[0], 2)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    path = lora(tmp_path / "bad")
    file = tmp_path / "bad" / "adapter_model.safetensors"
    tensors = load_file(file)
    name = next(k for k in tensors if "lora_B" in k)
    tensors[name][0, 0] = float("nan")
    save_file(tensors, file)
    with pytest.raises(EngineError, match=r"adapter .*bad: it does not fit this model: its weights for model\.layers"):
        decoder_of(tiny()).company(path)


def test_rows_keep_the_adapter_they_began_with(tmp_path):
    """A folder that is written anew while its rows run is another adapter, for those who come later."""
    path, prompt = lora(tmp_path / "one", 1), prompts(6)[0]
    old = greedy(with_peft(tiny(), path), prompt, 6)
    decoder = decoder_of(tiny())
    decoder.company(path)
    said = [decoder.add([prompt], [GREEDY], [path])]
    lora(tmp_path / "one", 2)
    decoder.company(path)
    said.append([decoder.step(said[0], [GREEDY])[0], *decoder.add([prompt], [GREEDY], [path])])
    for _ in range(4):
        said.append(decoder.step(said[-1], [GREEDY] * 2))
    new = greedy(with_peft(tiny(), path), prompt, 5)
    assert [tokens[0] for tokens in said] == old
    assert [tokens[1] for tokens in said[1:]] == new != old[:5]


def test_a_file_without_some_of_its_layers_is_refused(tmp_path):
    path = lora(tmp_path / "one", target_modules=["q_proj"])
    config = json.loads((tmp_path / "one" / "adapter_config.json").read_text())
    (tmp_path / "one" / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["q_proj", "k_proj"]}))
    decoder = decoder_of(tiny())
    with pytest.raises(EngineError, match=r"its weights are for other layers .*k_proj.*missing in the file"):
        decoder.company(path)
    assert say(decoder, prompts(5), [None], 5) == [greedy(tiny(), prompts(5)[0], 5)]
