"""A bad suite fails before a model is loaded, and says where and what to do."""

from pathlib import Path

import pytest

from folkmoot.documents import BadInput
from folkmoot.engines.cache import Completions
from folkmoot.engines.pool import Pool
from folkmoot.evaluation.plan import make_plan
from folkmoot.evaluation.samples import engines, phases, samples
from folkmoot.evaluation.suite import find_suite, read_suite, suite_names

GOOD = """\
name: mine
seed: 3
sampling: {temperature: 0.7, max_tokens: 20}
tasks: [sums]
limit: 2
team:
  - {name: ana, model: small-a}
  - {name: bo, model: small-b}
monoliths:
  - {name: big, model: large}
systems:
  - debate
  - graph: judge_select
    with: {judge: bo}
margin: 0.03
"""


def plan_of(tmp_path: Path, text: str):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    suite, lines = read_suite(path)
    return make_plan(suite, lines, path)


def test_members_and_monoliths_run_beside_the_graphs(tmp_path):
    plan = plan_of(tmp_path, GOOD)
    assert {s.name: s.kind for s in plan.systems} == {
        "ana": "member",
        "bo": "member",
        "debate": "graph",
        "judge_select": "graph",
        "big": "monolith",
    }
    assert plan.reference == "big"
    assert (len(plan.items), len(plan.tasks[0].dev)) == (2, 8)


def test_a_task_may_be_missing_if_the_suite_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv("FOLKMOOT_DATA", raising=False)
    text = GOOD.replace("tasks: [sums]", "tasks: [sums, gsm8k]")
    with pytest.raises(BadInput, match="gsm8k"):
        plan_of(tmp_path, text)
    plan = plan_of(tmp_path, text + "missing: skip\n")
    assert [t.task.name for t in plan.tasks] == ["sums"]
    assert "gsm8k.json" in plan.skipped[0]
    with pytest.raises(BadInput, match="the data of no task are here"):
        plan_of(tmp_path, text.replace("[sums, gsm8k]", "[gsm8k]") + "missing: skip\n")


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("tasks: [sums]", "tasks: [sum]"), 4, "did you mean 'sums'"),
        (("  - debate", "  - debat"), 12, "did you mean 'debate'"),
        (("margin: 0.03", "judges: [deb]"), 15, "nobody is called 'deb'"),
        (("with: {judge: bo}", "with: {judge: cy}"), 13, "nobody is called 'cy'"),
        (("with: {judge: bo}", "with: {juge: bo}"), 13, "did you mean 'judge'"),
        (("with: {judge: bo}", "with: {orders: sideways}"), 13, "use 'both' or 'shuffled'"),
        (("with: {judge: bo}", "with: {judge: 5}"), 13, "give the name of a participant"),
        (("with: {judge: bo}", "with: {judge: [bo]}"), 13, "give the name of a participant"),
        (("with: {judge: bo}", "with: {prompts: ./here}"), 13, "set it at the top"),
        (("  - debate", "  - {graph: debate, with: {rounds: 1.5}}"), 12, "rounds=1.5"),
        (("  - debate", "  - {graph: debate, with: {rounds: true}}"), 12, "rounds=True"),
        (("  - debate", "  - {graph: debate, with: {sees: 3}}"), 12, "sees=3"),
        (("  - {name: bo, model: small-b}\n", ""), 11, "needs a team of at least 2"),
        (("name: bo,", "name: ana,"), 8, "two participants are called 'ana'"),
        (("seed: 3", "sead: 3"), 2, "did you mean 'seed'"),
        (("limit: 2", "limit: none"), 5, "limit"),
        (("limit: 2", "limit: 0"), 5, "greater than or equal to 1"),
        (("temperature: 0.7", "temperature: hot"), 3, "temperature"),
        (("model: small-a}", "modell: small-a}"), 7, "did you mean 'model'"),
        (("name: ana", "name: decide"), 7, "taken by a node"),
        (("margin: 0.03", "prompts: ./nowhere"), 15, "no such folder"),
        (("margin: 0.03", "margin: 0.03\nmargin: 0.03"), 16, "stands here twice"),
        (("tasks: [sums]", "tasks: [sums, sums]"), 4, "stands here twice"),
        (("tasks: [sums]", "tasks: []"), 4, "at least 1 item"),
        (("  - debate", "  - debate\n  - debate"), 13, "two systems are called 'debate'"),
        (("name: mine", "name: ../up"), 1, "pattern"),
    ],
)
def test_every_mistake_is_reported_with_its_line_and_a_remedy(tmp_path, change, line, says):
    text = GOOD.replace(*change)
    assert text != GOOD
    with pytest.raises(BadInput) as e:
        plan_of(tmp_path, text)
    assert f"mine.yaml:{line}: " in str(e.value)
    assert says in str(e.value)


def test_all_findings_are_reported_at_once(tmp_path):
    text = GOOD.replace("tasks: [sums]", "tasks: [sum]").replace("  - debate", "  - debat")
    with pytest.raises(BadInput) as e:
        plan_of(tmp_path, text)
    assert "'sums'" in str(e.value)
    assert "'debate'" in str(e.value)


def test_missing_data_names_the_folder_to_give(tmp_path, monkeypatch):
    monkeypatch.delenv("FOLKMOOT_DATA", raising=False)
    with pytest.raises(BadInput) as e:
        plan_of(tmp_path, GOOD.replace("tasks: [sums]", "tasks: [gsm8k]"))
    assert "mine.yaml:4: " in str(e.value)
    assert "--data" in str(e.value)


@pytest.mark.parametrize(
    ("template", "line", "says"),
    [
        ("{{ question }}\n{{ nonsense }}", 2, "nonsense"),
        ("{{ question }}\n\n{% if %}", 3, "does not parse"),
        ("Just answer.", 1, "never shows the question"),
        ("{{ question }}\n{{ ''.__class__.__mro__ }}", 2, "__class__"),
    ],
)
def test_a_template_that_does_not_render_is_found_before_anything_runs(tmp_path, template, line, says):
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "answer.md").write_text(template, encoding="utf-8")
    with pytest.raises(BadInput) as e:
        plan_of(tmp_path, GOOD + "prompts: ./words\n")
    assert f"answer.md:{line}: " in str(e.value)
    assert says in str(e.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "name: [", "42", "name: x\n\tseed: 1", "\x00"])
def test_what_is_no_suite_at_all_is_one_clear_line(tmp_path, text):
    with pytest.raises(BadInput) as e:
        plan_of(tmp_path, text)
    assert "mine.yaml" in str(e.value)
    assert len(str(e.value).splitlines()) == 1


def test_unknown_suite_names_get_a_hint():
    with pytest.raises(BadInput, match="did you mean 'quickstart'"):
        find_suite("quikstart")


@pytest.mark.parametrize("name", suite_names())
def test_shipped_suites_read(name):
    suite, _ = read_suite(find_suite(name))
    assert suite.name == name
    assert suite.about


def test_quickstart_needs_no_data_of_others():
    path = find_suite("quickstart")
    suite, lines = read_suite(path)
    plan = make_plan(suite, lines, path)
    assert {"debate", "critique_refine", "judge_select"} == {s.name for s in plan.graphs}
    assert plan.reference == "qwen-1.5b"


def keys_of(tmp_path: Path, text: str) -> dict[tuple[str, str], str]:
    plan = plan_of(tmp_path, text)
    pool = Pool(Completions(None), scripted=True)
    return {(s.system, s.item.id): s.key for s in samples(plan, engines(plan, pool), plan.systems)}


def test_keys_are_stable_and_unique(tmp_path):
    once, again = keys_of(tmp_path, GOOD), keys_of(tmp_path, GOOD)
    assert once == again
    assert len(set(once.values())) == len(once) == 10


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        (("seed: 3", "seed: 4"), []),
        (("max_tokens: 20", "max_tokens: 21"), []),
        (("with: {judge: bo}", "with: {judge: ana}"), ["ana", "debate", "big"]),
        (("model: large", "model: larger"), ["ana", "debate", "judge_select"]),
        (("limit: 2", "limit: 3"), ["ana", "debate", "judge_select", "big"]),
        (("name: mine", "name: yours"), ["ana", "debate", "judge_select", "big"]),
    ],
)
def test_a_changed_suite_changes_the_keys_of_what_it_changes_and_no_others(tmp_path, change, stays):
    before, after = keys_of(tmp_path, GOOD), keys_of(tmp_path, GOOD.replace(*change))
    same = {system for (system, item), key in before.items() if after.get((system, item)) == key}
    assert set(stays) <= same
    assert same <= {*stays, "bo"} if stays else not same


def test_models_that_no_system_shares_are_in_memory_one_after_the_other(tmp_path):
    plan = plan_of(tmp_path, GOOD)
    people = engines(plan, Pool(Completions(None), scripted=True))
    team, monolith = phases(plan, people)
    assert [s.name for s in monolith] == ["big"]
    parts = [s.key for systems in (team, monolith) for s in samples(plan, people, systems)]
    assert sorted(parts) == sorted(s.key for s in samples(plan, people, plan.systems))

    judged = plan_of(tmp_path, GOOD.replace("judge: bo", "judge: big"))
    people = engines(judged, Pool(Completions(None), scripted=True))
    assert len(phases(judged, people)) == 1


def test_systems_that_differ_in_name_alone_have_samples_of_their_own(tmp_path):
    text = "name: t\ntasks: [sums]\nlimit: 2\nteam: [{name: ana, model: m}]\n"
    plan = plan_of(tmp_path, text + "systems: [majority_vote, {name: again, graph: majority_vote}]\n")
    keys = [s.key for s in samples(plan, engines(plan, Pool(Completions(None), scripted=True)), plan.systems)]
    assert (len(keys), len(set(keys))) == (6, 6)


def test_a_team_of_three_is_not_taken_for_two_with_a_judge(tmp_path):
    """Everybody who speaks is the same; who is a member is not."""
    text = (
        "name: t\ntasks: [sums]\nlimit: 1\nteam: [{name: ana, model: a}, {name: bo, model: b}, {name: cy, model: c}]\n"
    )
    two = plan_of(tmp_path, text + "systems: [{graph: judge_select, team: [ana, bo], with: {judge: cy}}]\n")
    three = plan_of(tmp_path, text + "systems: [{graph: judge_select, team: [ana, bo, cy], with: {judge: cy}}]\n")
    pool = Pool(Completions(None), scripted=True)
    keys = [{s.key for s in samples(p, engines(p, pool), p.graphs)} for p in (two, three)]
    assert not keys[0] & keys[1]


def test_a_task_stands_in_a_suite_once_whatever_its_split(tmp_path):
    with pytest.raises(BadInput, match=r"mine.yaml:4: two tasks are called 'sums'"):
        plan_of(tmp_path, GOOD.replace("tasks: [sums]", "tasks: [sums, {name: sums, split: dev}]"))


def test_rows_that_are_computed_keep_their_names(tmp_path):
    with pytest.raises(BadInput, match="'oracle' is the name of a row that is computed"):
        plan_of(tmp_path, GOOD.replace("name: big", "name: oracle"))


def test_dev_questions_that_are_all_test_questions_leave_the_task_without_dev(tmp_path):
    row = '{"id": "%s", "split": "%s", "question": "1 + 1?", "answer": "2"}\n'
    (tmp_path / "own.jsonl").write_text(row % ("a", "test") + row % ("b", "dev"), encoding="utf-8")
    task = "name: own\ndescription: d\nanswer: number\ndata: {file: own.jsonl}\n"
    (tmp_path / "own.yaml").write_text(task, encoding="utf-8")
    plan = plan_of(tmp_path, GOOD.replace("tasks: [sums]", "tasks: [own.yaml]"))
    (found,) = plan.tasks
    assert (len(found.items), found.dev, plan.chooses) == (1, (), False)
    assert {f.kind for f in found.findings} == {"overlap"}


def test_systems_advance_together_question_by_question(tmp_path):
    plan = plan_of(tmp_path, GOOD)
    people = engines(plan, Pool(Completions(None), scripted=True))
    order = [(s.item.id, s.system) for s in samples(plan, people, plan.systems)]
    systems = [s.name for s in plan.systems]
    for start in range(0, len(order), len(systems)):
        part = order[start : start + len(systems)]
        assert len({item for item, _ in part}) == 1
        assert [system for _, system in part] == systems


def test_models_and_adapters_are_looked_up_before_a_real_run(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace("model: large", "model: ./nowhere"), encoding="utf-8")
    suite, lines = read_suite(path)
    with pytest.raises(BadInput) as e:
        make_plan(suite, lines, path, check_models=True)
    assert "mine.yaml:7: unknown model 'small-a'" in str(e.value)
    assert "mine.yaml:10: " in str(e.value)
    assert "no such folder" in str(e.value)
