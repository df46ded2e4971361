"""The embedded engine on a thread: tiny models with random weights for every rule, SmolLM2 for sense.

In a process of its own it is tested in test_remote.py, and by what all engines promise.
"""

import asyncio
import gc
import json
import random
import shutil
import subprocess
import sys
import threading
import time

import pytest

from folkmoot.engines.contract import Engine, EngineError, Message, Missing, PromptTooLong, Request, Sampling
from folkmoot.engines.decoding.job import Draw
from folkmoot.engines.transformers import TransformersEngine

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
KINDS = {
    "shared heads": ("Llama", SIZES),
    "every head its own": ("Llama", SIZES | {"num_key_value_heads": 4}),
    "sliding window": ("Mistral", SIZES | {"sliding_window": 8}),
    "sliding and full": (
        "Gemma3",
        SIZES | {"head_dim": 8, "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"] * 2}
        | {"num_hidden_layers": 4},
    ),
    "learned positions": ("GPT2", {"vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}),
    "masks of its own": ("Bloom", {"vocab_size": 300, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "no keys and values": ("Lfm2", SIZES | {"layer_types": ["conv", "full_attention", "conv"]}),
}  # fmt: skip
JOINS = {name: name not in ("masks of its own", "no keys and values") for name in KINDS}


def tiny(kind="shared heads", seed=0):
    """A model with random weights, large enough that its greedy replies vary."""
    import torch
    import transformers

    name, sizes = KINDS[kind]
    config = getattr(transformers, {"Gemma3": "Gemma3TextConfig"}.get(name, f"{name}Config"))(**sizes)
    torch.set_num_threads(1)  # more only wait for each other here
    torch.manual_seed(seed)
    model = getattr(transformers, {"GPT2": "GPT2LMHeadModel"}.get(name, f"{name}ForCausalLM"))(config).float().eval()
    for p in model.parameters():
        if p.ndim > 1:
            torch.nn.init.normal_(p, std=0.15)
    return model


def alone(model, prompt, n):
    """The greedy reply, with neither cache nor batch."""
    import torch

    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(n):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def likelihood(model, prompt, option):
    import torch

    with torch.inference_mode():
        p = model(torch.tensor([[*prompt, *option]])).logits[0].log_softmax(-1)
    return sum(float(p[len(prompt) - 1 + i, t]) for i, t in enumerate(option)) / len(option)


def prompts(*lengths):
    pick = random.Random(1)
    return [[pick.randrange(3, 300) for _ in range(n)] for n in lengths]


class Rows:
    """Drives a decoder as the batcher does, and keeps what each row said."""

    def __init__(self, decoder, asked):
        self.decoder, self.asked, self.rows = decoder, asked, []
        self.said = [[] for _ in asked]

    def add(self, *new):
        self._note(
            new, self.decoder.add([self.asked[i] + self.said[i] for i in new], [GREEDY] * len(new), [None] * len(new))
        )
        self.rows += new

    def step(self, times=1):
        for _ in range(times):
            last = [self.said[i][-1] for i in self.rows]
            self._note(self.rows, self.decoder.step(last, [GREEDY] * len(last)))

    def drop(self, *gone):
        self.rows = [self.rows[i] for i in self.decoder.drop([self.rows.index(g) for g in gone])]

    def _note(self, rows, tokens):
        for row, token in zip(rows, tokens, strict=True):
            self.said[row].append(token)


def decoder_of(model):
    from folkmoot.engines.decoding.attention import use_grouped_attention
    from folkmoot.engines.decoding.model import Decoder

    use_grouped_attention(model)
    return Decoder(model, "cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_say_in_any_company_what_they_say_alone(kind):
    asked = prompts(5, 11, 3, 20, 9, 14)
    expected = [alone(tiny(kind), p, 24) for p in asked]
    assert len({t for said in expected for t in said}) > 8, "dull replies would show nothing"
    decoder = decoder_of(tiny(kind))
    rows = Rows(decoder, asked)
    assert decoder.joins is JOINS[kind]
    if decoder.joins:
        rows.add(0, 1, 2)
        rows.step(2)
        rows.add(3)
        rows.step()
        rows.drop(0)
        rows.add(4, 5)
        rows.step(4)
        rows.drop(1, 3)
        rows.add(0)  # goes on where it was
    else:
        rows.add(0, 1, 2, 3, 4, 5)
        rows.step(3)
        rows.drop(1, 3)
    rows.step(12)
    for said, e in zip(rows.said, expected, strict=True):
        assert said == e[: len(said)]
    decoder.clear()
    again = Rows(decoder, asked)
    again.add(3, 1)
    again.step(3)
    assert again.said[3] == expected[3][:4]


@pytest.mark.parametrize("kind", KINDS)
def test_options_get_the_likelihood_they_have_alone(kind):
    asked = prompts(4, 9)
    options = [[[5], [6, 7], [8, 9, 10, 11]], [[12]]]
    decoder, plain = decoder_of(tiny(kind)), tiny(kind)
    for got, prompt, some in zip(decoder.score(asked, options, [None] * len(asked)), asked, options, strict=True):
        assert got == pytest.approx([likelihood(plain, prompt, o) for o in some], abs=1e-4)


def test_many_options_are_scored_in_parts(monkeypatch):
    monkeypatch.setattr("folkmoot.engines.decoding.scoring.SCORED_TOKENS", 8)
    (prompt,) = prompts(6)
    options = prompts(1, 2, 3, 4, 2, 3, 1)
    decoder, plain = decoder_of(tiny()), tiny()
    (got,) = decoder.score([prompt], [options], [None])
    assert got == pytest.approx([likelihood(plain, prompt, o) for o in options], abs=1e-4)


def test_buffers_grow_with_rows_and_length():
    asked = prompts(3, 4, 100, 5)
    decoder = decoder_of(tiny())
    rows = Rows(decoder, asked)
    rows.add(0)
    rows.step(132)
    rows.add(1, 2, 3)
    rows.step(35)
    for said, prompt in zip(rows.said, asked, strict=True):
        assert said == alone(tiny(), prompt, len(said))


class TestDrawing:
    P = (0.5, 0.25, 0.15, 0.1)

    def pick(self, draws, logits=None):
        import torch

        from folkmoot.engines.decoding.sampling import pick

        rows = torch.tensor([self.P]).log().repeat(len(draws), 1) if logits is None else torch.tensor(logits)
        return pick(rows, draws)

    @pytest.mark.parametrize(
        ("temperature", "top_p", "luck", "token"),
        [
            (0.0, 1.0, 0.99, 0),
            (1.0, 1.0, 0.0, 0),
            (1.0, 1.0, 0.499, 0),
            (1.0, 1.0, 0.501, 1),
            (1.0, 1.0, 0.899, 2),
            (1.0, 1.0, 0.9999999, 3),
            (1.0, 0.5, 0.99, 0),
            (1.0, 0.6, 0.99, 1),
            (1.0, 0.75, 0.99, 1),
            (1.0, 0.76, 0.99, 2),
            (1.0, 0.01, 0.99, 0),
            (1e-9, 1.0, 0.99, 0),
            (100.0, 1.0, 0.6, 2),
        ],
    )
    def test_one_draw(self, temperature, top_p, luck, token):
        assert self.pick([Draw(temperature, top_p, luck)]) == [token]

    def test_rows_of_all_sorts_in_one_batch(self):
        draws = [GREEDY, Draw(1, 1, 0.95), Draw(1, 0.6, 0.95), GREEDY, Draw(1, 1, 0.6)]
        assert self.pick(draws) == [0, 3, 1, 0, 1]

    def test_shares_are_those_of_the_model(self):
        lucks = [random.Random(i).random() for i in range(4000)]
        for top_p, expected in ((1.0, self.P), (0.8, (5 / 9, 2.5 / 9, 1.5 / 9, 0))):
            tokens = self.pick([Draw(1.0, top_p, luck) for luck in lucks])
            assert [tokens.count(t) / 4000 for t in range(4)] == pytest.approx(expected, abs=0.03)

    def test_a_flat_distribution_is_sorted_whole(self, monkeypatch):
        monkeypatch.setattr("folkmoot.engines.decoding.sampling.HEAD", 2)
        assert self.pick([Draw(1.0, 0.95, 0.99)]) == [3]

    def test_what_is_impossible_is_not_drawn_and_what_is_no_number_is_told(self):
        never = float("-inf")
        logits = [[never, 0.0, never, 0.0], [0.0, float("nan"), 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
        for luck in (0.0, 0.4999, 0.999999999):
            tokens = self.pick([Draw(1, 1, luck)] * 3, logits)
            assert tokens[0] in (1, 3)
            assert tokens[1] == -1
        assert self.pick([GREEDY] * 3, logits) == [1, -1, 0]


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model as a folder: 256 bytes and four control tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("tiny")
    special = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    words = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(words)}, merges=[]))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tok.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tok, eos_token="</s>", pad_token="<pad>", additional_special_tokens=special[3:]
    )
    fast.chat_template = CHATML
    fast.save_pretrained(path)
    tiny().save_pretrained(path)
    return path


@pytest.fixture
async def engine(folder):
    built = TransformersEngine(folder, dtype="float32", device="cpu", threads=1, process=False)
    yield built
    await built.close()


def ask(text, adapter=None, **sampling):
    return Request((Message("user", text),), Sampling(**({"max_tokens": 16} | sampling)), adapter)


async def until(true):
    """Wait for something that happens on the engine's thread."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.001)


QUESTIONS = ["a", "What is the capital of the country next door?", "x" * 90, "b c d", "?!", "once upon a time"] * 2


async def test_a_batch_says_what_each_says_alone(engine):
    together = await asyncio.gather(*(engine.complete(ask(q)) for q in QUESTIONS))
    for q, reply in zip(QUESTIONS, together, strict=True):
        one = await engine.complete(ask(q))
        assert (one.text, one.completion_tokens) == (reply.text, reply.completion_tokens)
        assert reply.prompt_tokens == len(engine._parts.chat().encode(ask(q).messages))
    assert len({r.text for r in together}) == len(set(QUESTIONS))


async def test_seeds_repeat_in_any_company(engine):
    def draw(seed):
        return engine.complete(ask("Tell me", temperature=1.0, top_p=0.9, seed=seed))

    together = await asyncio.gather(*(draw(s) for s in (1, 2, 3, None, None)))
    assert len({c.text for c in together}) == 5
    for seed, first in zip((1, 2, 3), together, strict=False):
        assert (await draw(seed)).text == first.text


async def test_token_limit_and_stop_strings(engine):
    whole = await engine.complete(ask("Tell me", max_tokens=40))
    assert (whole.finish, whole.completion_tokens) == ("length", 40)
    assert (await engine.complete(ask("Tell me", max_tokens=7))).completion_tokens == 7
    middle = whole.text[8:10]
    cut = await engine.complete(ask("Tell me", max_tokens=40, stop=("never said", middle)))
    assert cut.finish == "stop"
    assert cut.text == whole.text[: whole.text.index(middle)]
    assert cut.completion_tokens < 40


async def test_a_cancelled_request_frees_its_row(engine):
    await engine.start()
    long = asyncio.ensure_future(engine.complete(ask("on and on", max_tokens=400)))
    other = asyncio.ensure_future(engine.complete(ask("and on", max_tokens=60)))
    await until(lambda: engine._runner.batcher._rows)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert (await other).completion_tokens == 60
    assert (await engine.complete(ask("more"))).completion_tokens == 16
    await until(lambda: not engine._runner.batcher._rows)


async def test_a_prompt_that_does_not_fit_is_refused_with_figures(engine):
    assert engine.context == 512
    with pytest.raises(PromptTooLong, match=r"a prompt of \d+ tokens and a reply of 500 do not fit the context of 512"):
        await engine.complete(ask("long" * 10, max_tokens=500))
    with pytest.raises(PromptTooLong):
        await engine.choose(ask("y" * 600), ["a", "b"])


async def test_choosing(engine):
    plain, chat = tiny(), engine._parts.chat()
    options = ["yes", "no", "a longer option"]
    choice = await engine.choose(ask("Which?"), options)
    prompt = chat.encode(ask("Which?").messages)
    import torch

    means = torch.tensor([likelihood(plain, prompt, chat.text_ids(o)) for o in options])
    assert choice.probabilities == pytest.approx(means.softmax(-1).tolist(), abs=1e-4)
    assert (choice.method, choice.prompt_tokens) == ("likelihood", len(prompt))
    many = await asyncio.gather(
        *(engine.choose(ask(q), options) for q in ("Which?", "Who?")), engine.complete(ask("a"))
    )
    assert many[0].probabilities == pytest.approx(choice.probabilities, abs=1e-5)
    for wrong in ([], ["a", "a"], ["a", ""]):
        with pytest.raises(EngineError, match="options must be there, differ and not be empty"):
            await engine.choose(ask("Which?"), wrong)


async def test_what_an_engine_promises(engine, folder):
    assert isinstance(engine, Engine)
    assert engine.identity.startswith("transformers:sha256:")
    assert engine.identity.endswith(":float32")
    assert TransformersEngine(folder, device="cpu", dtype="bfloat16", process=False).identity.endswith(":bfloat16")
    assert engine.count_tokens("abc\u00e9") == 5
    assert repr(engine) == f"TransformersEngine({str(folder)!r})"
    with pytest.raises(EngineError, match="last message must come from the user"):
        await engine.complete(Request((Message("assistant", "no"),)))


def test_one_engine_serves_loop_after_loop_and_several_at_once(folder):
    engine = TransformersEngine(folder, dtype="float32", device="cpu", threads=1, process=False)
    texts = [asyncio.run(engine.complete(ask("a"))).text for _ in range(3)]
    threads = [threading.Thread(target=lambda: texts.append(asyncio.run(engine.complete(ask("a"))).text))] * 1
    threads += [threading.Thread(target=lambda: texts.append(asyncio.run(engine.complete(ask("a"))).text))]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert len(texts) == 5
    assert len(set(texts)) == 1
    asyncio.run(engine.close())


async def test_closing_stops_the_thread_and_a_request_starts_it_again(engine):
    first = await engine.complete(ask("a"))
    thread = engine._runner.batcher._thread
    await engine.close()
    await engine.close()
    assert not thread.is_alive()
    assert (await engine.complete(ask("a"))).text == first.text


async def test_an_engine_that_nobody_holds_ends_its_thread(folder):
    engine = TransformersEngine(folder, dtype="float32", device="cpu", threads=1, process=False)
    await engine.complete(ask("a"))
    thread = engine._runner.batcher._thread
    del engine
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_building_loads_nothing_and_leaving_does_not_hang(folder):
    code = f"""
import asyncio, sys, time
from folkmoot.engines.contract import Message, Request, Sampling
from folkmoot.engines.transformers import TransformersEngine
engine = TransformersEngine({str(folder)!r}, threads=1, device="cpu", process=False)
print([m for m in ("torch", "transformers", "peft") if m in sys.modules])
async def leave():
    await engine.start()
    task = asyncio.ensure_future(engine.complete(Request((Message("user", "a"),), Sampling(max_tokens=400))))
    await asyncio.sleep(0.05)
asyncio.run(leave())
print(round(time.time()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    loaded, left = done.stdout.split("\n")[:2]
    assert loaded == "[]"
    assert time.time() - int(left) < 10


async def test_a_failed_step_is_told_and_the_engine_goes_on(engine, monkeypatch):
    from folkmoot.engines.decoding.model import Decoder

    long = ask("a", max_tokens=150)  # so that two of them surely meet
    expected = (await engine.complete(long)).text
    step, failures = Decoder.step, [RuntimeError("DefaultCPUAllocator: can't allocate memory"), RuntimeError("boom")]

    def failing(self, last, draws):
        if len(last) > 1 and failures:
            error = failures.pop(0)
            from folkmoot.engines.decoding.model import _memory_errors

            with _memory_errors():
                raise error
        return step(self, last, draws)

    monkeypatch.setattr(Decoder, "step", failing)
    both = await asyncio.gather(engine.complete(long), engine.complete(long))
    assert [c.text for c in both] == [expected] * 2
    lost = await asyncio.gather(engine.complete(long), engine.complete(long), return_exceptions=True)
    assert [str(e) for e in lost] == [
        f"{engine}: a step failed (RuntimeError: boom); this request is lost, later ones are served"
    ] * 2
    assert (await engine.complete(long)).text == expected


async def test_a_model_that_cannot_be_loaded_is_missing_until_it_is_there(folder, tmp_path):
    broken = tmp_path / "model"
    shutil.copytree(folder, broken)
    (broken / "model.safetensors").write_bytes(b"not weights")
    engine = TransformersEngine(broken, device="cpu", dtype="float32", threads=1, process=False)
    with pytest.raises((Missing, ValueError)):
        await engine.complete(ask("a"))
    shutil.copy(folder / "model.safetensors", broken)
    assert (await engine.complete(ask("a"))).completion_tokens == 16
    await engine.close()


@pytest.mark.parametrize("wrong", [{"max_batch": 0}, {"threads": 0}])
def test_settings_that_cannot_be_are_refused_at_once(folder, wrong):
    with pytest.raises(ValueError, match="must be at least 1"):
        TransformersEngine(folder, **wrong)


async def test_a_precision_that_does_not_exist_is_refused(folder):
    with pytest.raises(EngineError, match="dtype 'int3' is not known"):
        await TransformersEngine(folder, dtype="int3", process=False).start()


def lora(model, path, seed=1, **changes):
    """A random adapter for a model, saved in a folder."""
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"])
    peft = get_peft_model(model, config)
    torch.manual_seed(seed)
    for name, p in peft.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(p, std=0.3)
    peft.save_pretrained(path)
    if changes:
        saved = json.loads((path / "adapter_config.json").read_text())
        (path / "adapter_config.json").write_text(json.dumps(saved | changes))
    return str(path)


async def test_adapters_change_their_own_replies_only(engine, tmp_path):
    one, two = lora(tiny(), tmp_path / "one"), lora(tiny(), tmp_path / "two", seed=2)
    base = (await engine.complete(ask("a"))).text
    alone_with = {a: (await engine.complete(ask("a", adapter=a))).text for a in (one, two)}
    assert len({base, *alone_with.values()}) == 3
    wanted = [None, one, two] * 4
    mixed = await asyncio.gather(*(engine.complete(ask("a", adapter=a)) for a in wanted))
    assert [c.text for c in mixed] == [alone_with.get(a, base) for a in wanted]
    choices = [await engine.choose(ask("a", adapter=a), ["yes", "no"]) for a in (None, one, None)]
    assert choices[0].probabilities == choices[2].probabilities != choices[1].probabilities
    await engine.close()
    assert (await engine.complete(ask("a", adapter=one))).text == alone_with[one]


async def test_an_adapter_trained_anew_is_loaded_anew(engine, tmp_path):
    path = lora(tiny(), tmp_path / "one")
    first = (await engine.complete(ask("a", adapter=path))).text
    shutil.rmtree(path)
    lora(tiny(), tmp_path / "one", seed=2)
    assert (await engine.complete(ask("a", adapter=path))).text != first


async def test_adapters_equal_peft_itself(engine, tmp_path):
    from peft import PeftModel

    path = lora(tiny(), tmp_path / "one")
    reference = PeftModel.from_pretrained(tiny(), path).eval()
    chat = engine._parts.chat()
    expected = alone(reference, chat.encode(ask("a").messages), 16)
    assert (await engine.complete(ask("a", adapter=path))).text == chat.decode(expected)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda p: str(p / "nowhere"), "no adapter_config.json"),
        (lambda p: lora(tiny(), p, peft_type="IA3"), "it is of type IA3; only LORA works here"),
        (lambda p: lora(tiny(), p, bias="all"), "it trains biases of the base model"),
        (lambda p: lora(tiny(), p, init_lora_weights="pissa_niter_4"), "changes the base model"),
        (lambda p: lora(tiny(), p, megatron_core="os", megatron_config={"a": 1}), "Megatron"),
        (lambda p: lora(tiny(), p, target_modules=["nothing"]), "does not fit this model"),
        (lambda p: lora(tiny(), p, r=8), "has rank 4, and its configuration names 8"),
        (lambda p: lora(tiny("every head its own"), p), "does not fit this model: size mismatch"),
        (lambda p: lora(tiny(), p, layers_to_transform=[0, 1]), "does not fit this model: its weights are for other"),
    ],
)
@pytest.mark.parametrize("after_another", [False, True])
async def test_adapters_that_do_not_fit_are_refused_and_leave_nothing_behind(
    engine, tmp_path, make, why, after_another
):
    base = (await engine.complete(ask("a"))).text
    if after_another:
        good = lora(tiny(), tmp_path / "good")
        changed = (await engine.complete(ask("a", adapter=good))).text
    bad = make(tmp_path / "bad")
    with pytest.raises(EngineError, match=why) as refusal:
        await engine.complete(ask("a", adapter=bad))
    assert str(refusal.value).startswith(f"adapter {bad}: ")
    assert (await engine.complete(ask("a"))).text == base
    if after_another:
        assert (await engine.complete(ask("a", adapter=good))).text == changed


async def test_adapters_in_other_formats_are_not_opened(engine, tmp_path):
    path = lora(tiny(), tmp_path / "one")
    (tmp_path / "one" / "adapter_model.safetensors").rename(tmp_path / "one" / "adapter_model.bin")
    with pytest.raises(EngineError, match="other formats may hold code and are not loaded"):
        await engine.complete(ask("a", adapter=path))


SMOL = "smollm2-135m-instruct"


@pytest.fixture(scope="module")
def exact():
    """SmolLM2 in float32, where replies do not depend on the batch."""
    engine = TransformersEngine(SMOL, device="cpu", dtype="float32", process=False)
    yield engine
    asyncio.run(engine.close())


@pytest.mark.real
class TestSmolLM2:
    ASKED = (
        "What is the capital of France?",
        "Say hello.",
        "Name three colours of the rainbow and something that has each of them, one per line. " * 3,
        "Is ice cold?",
        "Write one sentence about a river that runs past a mill and a village into the sea.",
    )

    async def test_it_knows_a_simple_fact_in_the_usual_precision(self):
        engine = TransformersEngine(SMOL)
        reply = await engine.complete(ask("What is the capital of France?", max_tokens=24))
        assert "Paris" in reply.text
        assert reply.finish == "stop"
        assert reply.service_s > 0
        await engine.close()

    async def test_in_a_batch_as_alone_and_joining_as_from_the_start(self, exact):
        one_by_one = [await exact.complete(ask(q, max_tokens=12)) for q in self.ASKED]
        together = await asyncio.gather(*(exact.complete(ask(q, max_tokens=12)) for q in self.ASKED))
        assert [c.text for c in together] == [c.text for c in one_by_one]
        assert all(c.prompt_tokens > 20 for c in together)
        running = asyncio.ensure_future(exact.complete(ask(self.ASKED[4], max_tokens=40)))
        joining = []
        for q in self.ASKED[:4]:
            await until(lambda: running.done() or len(exact._runner.batcher._rows) == 1)
            joining.append(await exact.complete(ask(q, max_tokens=4)))
            assert not running.done(), "it was to join a running batch"
        for late, alone_before in zip(joining, one_by_one, strict=False):
            assert alone_before.text.startswith(late.text)
        assert (await running).text.startswith(one_by_one[4].text)

    async def test_drawing_stopping_and_ending(self, exact):
        def story(**sampling):
            return exact.complete(ask("Tell me a story.", **({"max_tokens": 12, "temperature": 1.0} | sampling)))

        first, again, other, stopped = await asyncio.gather(
            story(seed=5), story(seed=5), story(seed=6), exact.complete(ask("Count: 1, 2, 3,", stop=(",", "."), max_tokens=30))
        )  # fmt: skip
        assert first.text == again.text != other.text
        assert (first.finish, first.completion_tokens) == ("length", 12)
        assert stopped.finish == "stop"
        assert "," not in stopped.text

    async def test_choosing_is_sensible(self, exact):
        question = "Which of these is a fruit? Answer with one word."
        choice = await exact.choose(ask(question), ["apple", "gravel", "apple tree house"])
        assert choice.probabilities[0] == max(choice.probabilities)
        assert sum(choice.probabilities) == pytest.approx(1)
        capital = await exact.choose(ask("What is the capital of France?"), ["Paris", "Berlin"])
        assert capital.probabilities[0] > 0.7

    async def test_a_cancelled_request_frees_its_row(self, exact):
        task = asyncio.ensure_future(exact.complete(ask("Tell me a long story.", max_tokens=500)))
        await until(lambda: exact._runner.batcher and exact._runner.batcher._rows)
        task.cancel()
        began = time.monotonic()
        assert (await exact.complete(ask("Say hello.", max_tokens=3))).completion_tokens == 3
        await until(lambda: not exact._runner.batcher._rows)
        assert time.monotonic() - began < 30

    async def test_an_adapter_changes_replies_and_the_base_stays(self, exact, tmp_path):
        from transformers import AutoModelForCausalLM

        from folkmoot.models import resolve

        before = (await exact.complete(ask("Say hello.", max_tokens=8))).text
        adapter = lora(AutoModelForCausalLM.from_pretrained(resolve(SMOL).path), tmp_path / "adapter")
        changed = await exact.complete(ask("Say hello.", adapter=adapter, max_tokens=8))
        assert changed.text != before
        assert (await exact.complete(ask("Say hello.", max_tokens=8))).text == before

    async def test_a_prompt_that_does_not_fit(self, exact):
        with pytest.raises(PromptTooLong, match="do not fit the context of 8192"):
            await exact.complete(ask("word " * 9000))
