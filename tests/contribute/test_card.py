"""The card: all that people want to know, and nothing that a manifest's text could forge."""

import importlib.util
import json
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from folkmoot.contribute.card import MARK, card, plain, write_card
from folkmoot.contribute.train_record import record
from folkmoot.documents import BadInput
from folkmoot.models.folder import sha256

_spec = importlib.util.spec_from_file_location("contribution", Path(__file__).with_name("contribution.py"))
assert _spec is not None
assert _spec.loader is not None
contribution = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(contribution)

TRAINED = {
    "method": "lora",
    "rank": 1,
    "data": {"file": "train.jsonl", "sha256": "ab" * 32, "rows": 500},
    "epochs": 4,
    "loss": {"train": {"first": 2.1, "last": 0.4}},
    "command": "folkmoot contribute train roman --epochs 4",
    "score": {
        "split": "test",
        "before": {"score": 0.1, "low": 0.05, "high": 0.2, "items": 60},
        "after": {"score": 0.85, "low": 0.74, "high": 0.92, "items": 60},
    },
}


@pytest.fixture
def roman(tmp_path: Path) -> Path:
    return contribution.make(tmp_path / "roman", purpose="Roman numerals, from 1 to 3999.", tags=("numbers",))


def front(text: str) -> dict[str, object]:
    return yaml.safe_load(text.split("---\n")[1])


def test_what_it_tells(roman: Path) -> None:
    record(roman / "participant.yaml", {"trained": TRAINED, "hashes": {"base": "gguf:123"}})
    (roman / "training").mkdir()
    (roman / "training" / "loss.svg").write_text("<svg/>")
    text = card(roman)
    assert front(text) == {
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "base_model_relation": "adapter",
        "language": ["en"],
        "license": "mit",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["folkmoot", "lora", "numbers"],
    }
    for part in (
        "# roman\n\nRoman numerals, from 1 to 3999.",
        "| Contributor | Ana |",
        "| Kind | LoRA adapter of rank 1, 0.1 MB |",
        "6 to develop on (dev) and 6 to be judged by (test)",
        "> roman: what is 0 + 0 + 700? → 700",
        "| the base alone | 10.0 % [5.0, 20.0] of 60 questions |",
        "| with this contribution | 85.0 % [74.0, 92.0] of 60 questions |",
        f"| data | 500 rows of train.jsonl, SHA-256 {'ab' * 32} |",
        "| loss, train | first 2.1, last 0.4 |",
        "Again: `folkmoot contribute train roman --epochs 4`",
        "![Loss while training](training/loss.svg)",
        'members: ["roman"]',
        'member = Participant("roman", engine, adapter="./roman/adapter")',
        f"| `adapter/adapter_model.safetensors` | `{sha256(roman / 'adapter' / 'adapter_model.safetensors')}` |",
        "| base model | `gguf:123` |",
    ):
        assert part in text
    assert text.count("\n> ") == 3, "three examples"
    assert "+ 701" not in text, "none of them from test"


def test_python_in_it_is_right(roman: Path) -> None:
    """The lines run as far as they can without a model."""
    from folkmoot import Participant

    code = card(roman).split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")
    assert 'TransformersEngine("smollm2-135m-instruct")' in code
    assert callable(Participant)


HOSTILE = [
    "x\n\n# Verified by everybody",
    "x\n---\nlicense: mit\n---",
    "</td></table><h1>Verified</h1><script>alert(1)</script>",
    "![x](http://tracker/p.png) [click](javascript:alert(1))",
    "a | b |\n|---|---|\n| c | d",
    "```\n# Verified\n```",
    "`code` ~~~ **bold** _x_ \u202efdp.exe \x1b[31m",
    "- one\n1. two\n> three\n=== ===\n| x",
    "$x^2$ {{ jinja }} &lt;b&gt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_manifest_is_only_text(roman: Path, text: str) -> None:
    """A card with hostile text has the headings, tables, pictures and links of one without."""
    path = roman / "participant.yaml"
    harmless = card(roman)
    told = yaml.safe_load(path.read_text())
    told |= {"purpose": text, "contributor": text, "licence": text, "system": text, "languages": [text], "model": text}
    told["trained"] = {"method": text, text: text, "command": text, "data": {"file": text}}
    told["hashes"] = {"base": text}
    path.write_text(yaml.safe_dump(told))
    rows = [{"id": str(i), "split": "dev", "question": f"{text} {i}", "answer": i} for i in range(3)]
    (roman / "priority.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    made = card(roman)
    assert front(made)["license"] == "other"
    assert set(front(made)) <= {*front(harmless), "license_name"}
    assert shape(made) == [
        "h1 roman",
        "h2 Its own test set",
        "h2 How it was trained",
        "h2 How to use it",
        "h2 Hashes (SHA-256)",
        *["table"] * 3,
        *["fence"] * 2,
        *["blockquote"] * 3,
    ]
    assert "\u202e" not in made
    assert "\x1b" not in made


def shape(text: str) -> list[str]:
    """What a reader's program makes of a card: its headings in order, then tables, code, quotes, and all that may not be."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text.split("\n---\n", 1)[1])
    heads = [f"{t.tag} {tokens[i + 1].content}" for i, t in enumerate(tokens) if t.type == "heading_open"]
    blocks = [t.type.removesuffix("_open") for t in tokens]
    kinds = ("table", "fence", "blockquote", "html_block", "code_block", "bullet_list", "ordered_list", "hr")
    inner = [
        c.type for t in tokens for c in t.children or () if c.type in ("image", "link_open", "html_inline", "em_open")
    ]
    return [*heads, *(k for kind in kinds for k in blocks if k == kind), *inner]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Plain words, with a comma.", "Plain words, with a comma."),
        ("a\n\n# b", "a \\# b"),
        ("0.002", "0.002"),
        ("1. first", "&#49;. first"),
        ("12) first", "&#49;2) first"),
        ("- item", "&#45; item"),
        ("=====", "&#61;===="),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("x" * 500, "x" * 397 + "..."),
    ],
)
def test_one_line_of_text(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_card_of_ones_own_stays(roman: Path) -> None:
    path = roman / "README.md"
    assert MARK in path.read_text()
    (roman / "participant.yaml").write_text((roman / "participant.yaml").read_text().replace("1 to 3999", "1 to 99"))
    assert write_card(roman)
    assert "from 1 to 99" in path.read_text()
    path.write_text("# Mine\n")
    assert not write_card(roman)
    assert path.read_text() == "# Mine\n"


@pytest.mark.parametrize("key", ["file: priority.jsonl", "adapter: adapter"])
@pytest.mark.parametrize("elsewhere", ["../secret", "/etc/passwd", "link/secret", "~/secret"])
def test_nothing_outside_the_folder_is_shown(roman: Path, key: str, elsewhere: str) -> None:
    """A card goes to a hub: a manifest of somebody else's must not make it quote from this machine."""
    (roman.parent / "secret").write_text((roman / "priority.jsonl").read_text())
    (roman / "link").symlink_to(roman.parent)
    path = roman / "participant.yaml"
    text = path.read_text()
    assert key in text
    path.write_text(text.replace(key, f"{key.split(':')[0]}: {elsewhere}"))
    before = (roman / "README.md").read_text()
    with pytest.raises(BadInput, match=f"'{elsewhere}' leads out of the folder"):
        write_card(roman)
    assert (roman / "README.md").read_text() == before


def test_a_whole_model_and_an_endpoint(tmp_path: Path) -> None:
    (tmp_path / "participant.yaml").write_text("name: whole\nmodel: ./model\nlicence: GPL-3.0-only\n")
    text = card(tmp_path)
    assert front(text)["license"] == "gpl-3.0"
    assert front(text)["library_name"] == "transformers"
    assert 'TransformersEngine("./whole/model")' in text
    (tmp_path / "participant.yaml").write_text("name: far\nmodel: gem\nengine: openai\nurl: http://127.0.0.1:1/v1\n")
    text = card(tmp_path)
    assert "an endpoint, as `gem`" in text
    assert "127.0.0.1" not in text, "where it is served is not for everybody"
    assert "library_name" not in front(text)
