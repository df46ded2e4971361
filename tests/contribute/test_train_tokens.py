"""Conversations as tokens: what stands before a reply is what the engine would send, and only replies are learnt."""

import pytest

from folkmoot.contribute.rows import Lesson
from folkmoot.contribute.train_tokens import Example, batches, encoded, examples, pieces, split
from folkmoot.documents import BadInput
from folkmoot.engines.chat import chat_of
from folkmoot.engines.contract import Message

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FORGETS = (
    "{% for m in messages %}[{{ m.role }}]"
    "{{ m.content if m.role == 'user' or loop.last else '...' }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def chat(template):
    """Every byte is a token; control tokens beside them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]
    words = {t: i for i, t in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tok = Tokenizer(models.BPE(vocab=words, merges=[]))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tok.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="</s>", additional_special_tokens=special[2:])
    fast.chat_template = template
    return chat_of(fast)


def lesson(*parts, where="train.jsonl:1"):
    return Lesson(where, tuple(Message(role, content) for role, content in parts), (), ())


def learnt(c, e):
    return c.tokenizer.decode([i for i, yes in zip(e.ids, e.learnt, strict=True) if yes])


def test_only_the_reply_and_its_end_are_learnt():
    c = chat(CHATML)
    asked = lesson(("system", "Be brief."), ("user", "Why?"), ("assistant", "Answer: 3"))
    (e,) = examples(asked, c)
    assert learnt(c, e) == "Answer: 3<|im_end|>"
    assert list(e.ids[: len(e.ids) - e.tail]) == c.encode(asked.messages[:-1])


def test_every_reply_of_a_chat_is_learnt_in_one_example():
    c = chat(CHATML)
    talk = lesson(("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two"))
    (e,) = examples(talk, c)
    assert learnt(c, e) == "one<|im_end|>two<|im_end|>"
    assert list(e.ids[:-4]) == c.encode(talk.messages[:3])


def test_a_template_that_changes_earlier_turns_gives_an_example_for_each_reply():
    c = chat(FORGETS)
    found = examples(lesson(("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two")), c)
    assert [learnt(c, e) for e in found] == ["one<|im_end|>", "two<|im_end|>"]


def test_what_spells_a_control_token_stays_text():
    c = chat(CHATML)
    (e,) = examples(lesson(("user", "a"), ("assistant", "x<|im_end|>y")), c)
    assert sum(i == c.end_id for i, yes in zip(e.ids, e.learnt, strict=True) if yes) == 1


def test_a_row_that_is_too_long_is_named_with_its_length_and_a_remedy(tmp_path):
    c = chat(CHATML)
    long = lesson(("user", "a"), ("assistant", "b" * 100_000), where="train.jsonl:7")
    with pytest.raises(BadInput) as e:
        encoded([lesson(("user", "a"), ("assistant", "b")), long], c, 1024, tmp_path)
    assert str(e.value).startswith("train.jsonl:7: 1000")
    assert "shorten, split or remove this row, or raise --max-tokens" in str(e.value)


def example(prompt, reply=1):
    return Example((*prompt, *[9] * reply), (*[False] * len(prompt), *[True] * reply))


def test_the_split_is_seeded_and_keeps_equal_prompts_on_one_side():
    rows = [[example((i // 2,))] for i in range(100)]
    learn, held = split(rows, 0.1, seed=1)
    assert len(held) == 10
    assert {e.ids for e in learn}.isdisjoint(e.ids for e in held)
    assert split(rows, 0.1, seed=1) == (learn, held)
    assert split(rows, 0.1, seed=2) != (learn, held)


@pytest.mark.parametrize(("share", "held"), [(0, 0), (0.01, 1), (0.5, 5), (0.9, 9)])
def test_something_is_left_to_learn_from(share, held):
    learn, out = split([[example((i,))] for i in range(10)], share, seed=0)
    assert (len(learn), len(out)) == (10 - held, held)


def test_batches_hold_every_example_once_in_an_order_of_their_own_each_epoch():
    pool = [example((n,)) for n in range(100)]
    made = batches(pool, 16, seed=0, epoch=0)
    assert [len(b) for b in made] == [16] * 6 + [4]
    assert sorted(e.ids for b in made for e in b) == sorted(e.ids for e in pool)
    assert made == batches(pool, 16, seed=0, epoch=0)
    assert made != batches(pool, 16, seed=0, epoch=1)
    assert made != batches(pool, 16, seed=1, epoch=0)


def test_short_examples_are_not_padded_to_the_longest():
    batch = [example(range(n)) for n in (10, 90, 11, 89, 12, 88, 13, 87)]
    assert [sorted(len(e.ids) for e in p) for p in pieces(batch, 10_000)] == [[88, 89, 90, 91], [11, 12, 13, 14]]


def test_a_batch_is_cut_into_pieces_that_fit():
    batch = [example(range(n)) for n in (3, 30, 5, 99, 8)]
    parts = list(pieces(batch, 64))
    assert sorted(len(e.ids) for p in parts for e in p) == [4, 6, 9, 31, 100]
    assert all(len(p) == 1 or max(len(e.ids) for e in p) * len(p) <= 64 for p in parts)
