"""From needs and hardware to a plan: everything gets a seat or a reason, and memory is never given out twice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.engines.placement.hardware import Gpu, Hardware
from folkmoot.engines.placement.needs import GIB, Needs
from folkmoot.engines.placement.plan import CPU_RESERVE, GPU_RESERVE, Plan, Seat, parts, place

KIB = 2**10


def gpus(*sizes: float, used: float = 0.0) -> Hardware:
    """A machine with GPUs of so many GiB, and 64 GiB of memory."""
    cards = (Gpu(i, "card", int(s * GIB), int((s - used) * GIB)) for i, s in enumerate(sizes))
    return Hardware(tuple(cards), 64 * GIB, 64 * GIB, "gpu", "gpu")


def cpu(size: float | None) -> Hardware:
    free = None if size is None else int(size * GIB)
    return Hardware((), free, free, "cpu", "cpu")


def model(name: str, gib: float, **more: Any) -> Needs:
    """8 requests of 1024 tokens at 128 KiB a token take 1 GiB."""
    given: dict[str, Any] = {
        "kind": "vllm", "device": "gpu", "kv_token": 128 * KIB, "tokens": 1024, "in_flight": 8, "overhead": GIB,
        "heads": 32, "kv_heads": 8,
    }  # fmt: skip
    return Needs(name, weights=int(gib * GIB), **(given | more))


def by_name(plan: Plan) -> dict[str, Seat]:
    return {s.needs.name: s for s in plan.seats}


def test_a_lone_model_gets_what_is_left_for_its_keys_and_values() -> None:
    [seat] = place([model("a", 10)], gpus(24)).seats
    assert (seat.gpus, seat.shift, seat.in_flight) == ((0,), 0, 8)
    assert seat.parts.total == 24 * GIB - GPU_RESERVE
    assert seat.parts.kv == seat.parts.total - 11 * GIB
    assert seat.share == pytest.approx(23.5 / 24, abs=0.001)


def test_what_others_use_is_not_given_out() -> None:
    [seat] = place([model("a", 10)], gpus(24, used=8)).seats
    assert seat.share == pytest.approx(15.5 / 24, abs=0.001)


def test_models_share_a_gpu_by_what_they_need() -> None:
    plan = place([model("small", 1), model("large", 8)], gpus(24))
    seats = by_name(plan)
    assert {s.gpus for s in plan.seats} == {(0,)}
    assert seats["large"].parts.total - seats["small"].parts.total == 7 * GIB, "keys and values alike"
    assert sum(s.share or 0 for s in plan.seats) <= 1 - GPU_RESERVE / (24 * GIB)
    assert plan.crowded("gpu"), "vLLM must load them one after the other"


def test_models_spread_over_gpus() -> None:
    plan = place([model("a", 8), model("b", 8)], gpus(24, 24))
    assert sorted(s.gpus for s in plan.seats) == [(0,), (1,)]
    assert not plan.crowded("gpu")


def test_a_model_that_does_not_fit_one_gpu_is_split() -> None:
    [seat] = place([model("a", 60, heads=40)], gpus(24, 24, 24, 24)).seats
    assert seat.gpus == (0, 1, 2, 3)
    assert seat.parts.weights == 15 * GIB


def test_heads_decide_over_how_many() -> None:
    plan = place([model("a", 30, heads=14, kv_heads=2)], gpus(10, 10, 10, 10))
    assert not plan.seats, "14 heads go into 2, not into 4"
    assert place([model("a", 30, heads=28, kv_heads=4)], gpus(10, 10, 10, 10)).seats


def test_few_heads_of_keys_and_values_are_kept_several_times() -> None:
    n = model("a", 8, kv_heads=2)
    assert [parts(n, split, 8).kv for split in (1, 2, 4)] == [GIB, GIB // 2, GIB // 2]


def test_a_team_stays_together_and_the_monolith_has_a_shift_of_its_own() -> None:
    plan = place([model("monolith", 20), model("a", 2), model("b", 3), model("c", 4)], gpus(24))
    shifts = {name: s.shift for name, s in by_name(plan).items()}
    assert shifts == {"a": 0, "b": 0, "c": 0, "monolith": 1}
    assert plan.shifts("gpu") == 2
    assert not plan.misfits


def test_transformers_take_no_share_and_no_more_than_they_want() -> None:
    [seat] = place([model("a", 10, kind="transformers")], gpus(24, 24)).seats
    assert (seat.share, seat.parts.kv, seat.gpus) == (None, GIB, (0,))


def test_fewer_requests_than_planned_are_said() -> None:
    [seat] = place([model("a", 10, in_flight=128)], gpus(16)).seats
    assert seat.in_flight == int(4.5 * 8)


def test_the_cpu_is_one_device() -> None:
    small, large = (model(name, size, device="cpu") for name, size in (("a", 1), ("b", 2)))
    plan = place([small, large], cpu(8))
    assert [(s.gpus, s.share, s.shift) for s in plan.seats] == [((), None, 0)] * 2
    assert sum(s.parts.total for s in plan.seats) <= 8 * GIB - CPU_RESERVE
    assert place([small, large], cpu(7)).shifts("cpu") == 2


def test_memory_that_cannot_be_told_is_taken_to_be_enough() -> None:
    assert place([model("a", 500, device="cpu")], cpu(None)).seats


@pytest.mark.parametrize(
    ("needs", "here", "hopeless", "said"),
    [
        (
            model("70b", 131.5, heads=64),
            gpus(24),
            True,
            ["needs 133.5 GiB and 23.5 GiB can be had, 110.0 GiB too little", "8 GPUs like this one", "134.0 GiB free"],
        ),
        (model("a", 23), gpus(24), False, ["1.5 GiB too little", "in 8 bits a weight (11.5 GiB)"]),
        (model("a", 22, tokens=8192), gpus(24), False, ["7.5 GiB too little", "512 tokens a request instead of 8192"]),
        (model("a", 21, tokens=8192), gpus(24), False, ["room for only 1 in flight instead of 8"]),
        (model("a", 10, adapters=14 * GIB, rank=256, slots=10), gpus(24), False, ["a smaller rank than 256, or fewer"]),
        (model("a", 9, device="cpu"), cpu(8), True, ["main memory", "a machine with 12.0 GiB free"]),
        (model("a", 1), gpus(), True, ["0 MiB can be had"]),
    ],
    ids=["70B on 24", "weights", "context", "in flight", "adapters", "cpu", "no gpu"],
)
def test_what_does_not_fit_says_by_how_much_and_what_would_help(
    needs: Needs, here: Hardware, hopeless: bool, said: list[str]
) -> None:
    plan = place([needs], here)
    [misfit] = plan.misfits
    assert not plan.seats
    assert misfit.hopeless is hopeless
    for words in (*said, "a smaller model"):
        assert words in str(misfit)
    assert "\n" not in str(misfit)


def test_what_is_said_to_help_does_help() -> None:
    tight = model("a", 21, tokens=8192)
    assert place([replace(tight, in_flight=1)], gpus(24)).seats
    assert place([replace(tight, tokens=1536)], gpus(24)).seats
    assert place([model("70b", 131.5, heads=64)], gpus(*[24] * 8)).seats
    assert place([model("70b", 131.5, heads=64)], gpus(134)).seats


def test_others_do_not_lose_their_seat_to_a_misfit() -> None:
    plan = place([model("70b", 140), model("a", 2)], gpus(24))
    assert [s.needs.name for s in plan.seats] == ["a"]
    assert [m.needs.name for m in plan.misfits] == ["70b"]


SIZES = st.floats(0.1, 60)
MODELS = st.lists(
    st.builds(
        lambda size, kind, device, heads, kv, flight, more: model(
            f"m{size:.6f}", size, kind=kind, device=device, heads=heads, kv_heads=kv, in_flight=flight,
            adapters=int(more * GIB),
        ),
        SIZES,
        st.sampled_from(["vllm", "transformers"]),
        st.sampled_from(["gpu", "gpu", "cpu"]),
        st.sampled_from([9, 14, 32, 64]),
        st.sampled_from([1, 2, 8]),
        st.sampled_from([1, 8, 128]),
        st.floats(0, 4),
    ),
    max_size=6,
)  # fmt: skip
CARDS = st.lists(st.tuples(st.floats(4, 96), st.floats(0, 0.9)), max_size=4)


def machine(cards: Sequence[tuple[float, float]], memory: float) -> Hardware:
    found = (Gpu(i, "card", int(s * GIB), int(s * (1 - used) * GIB)) for i, (s, used) in enumerate(cards))
    return Hardware(tuple(found), int(memory * GIB), int(memory * GIB), "gpu", "gpu")


@settings(max_examples=200, deadline=None)
@given(models=MODELS, cards=CARDS, memory=st.floats(1, 128))
def test_everything_is_placed_once_or_reported_and_memory_is_given_out_once(
    models: list[Needs], cards: list[tuple[float, float]], memory: float
) -> None:
    here = machine(cards, memory)
    plan = place(models, here)
    placed = [s.needs for s in plan.seats] + [m.needs for m in plan.misfits]
    assert sorted(map(id, placed)) == sorted(map(id, models))
    for shift in {s.shift for s in plan.seats}:
        for gpu in here.gpus:
            mine = [s for s in plan.seats if gpu.index in s.gpus and s.shift == shift]
            assert sum(s.parts.total for s in mine) <= max(0, gpu.free - GPU_RESERVE)
            assert sum(s.share or 0 for s in mine) <= 1 - GPU_RESERVE / gpu.total + 1e-9
        on_cpu = [s for s in plan.seats if not s.gpus and s.shift == shift]
        assert sum(s.parts.total for s in on_cpu) <= max(0, memory * GIB - CPU_RESERVE)
    for s in plan.seats:
        assert len(s.gpus) in (0, 1, 2, 4)
        assert len(set(s.gpus)) == len(s.gpus)
        assert bool(s.gpus) is (s.needs.device == "gpu")
        assert s.needs.heads % max(1, len(s.gpus)) == 0
        assert s.in_flight is not None
        assert s.in_flight >= min(8, s.needs.in_flight)


@settings(max_examples=200, deadline=None)
@given(models=MODELS, cards=CARDS, memory=st.floats(1, 128), more=st.floats(0, 64))
def test_more_memory_never_makes_a_plan_worse(
    models: list[Needs], cards: list[tuple[float, float]], memory: float, more: float
) -> None:
    small = machine(cards, memory)
    large = Hardware(
        tuple(Gpu(g.index, g.name, g.total + int(more * GIB), g.free + int(more * GIB)) for g in small.gpus),
        int((memory + more) * GIB),
        int((memory + more) * GIB),
    )
    before, after = place(models, small), place(models, large)
    assert {id(m.needs) for m in after.misfits} <= {id(m.needs) for m in before.misfits}
    if len(before.misfits) == len(after.misfits):
        for device in ("gpu", "cpu"):
            assert after.shifts(device) <= before.shifts(device)  # type: ignore[arg-type]


def test_a_packing_is_found_where_taking_the_roomiest_first_fails() -> None:
    """5 and 4 go to the two GPUs, the next 4 beside the 5: then the second 3 fits nowhere."""
    sizes = [model(str(i), s, overhead=0, kv_token=0, heads=9) for i, s in enumerate((5, 4, 4, 3, 3))]
    seats = by_name(place(sizes, gpus(10.5, 9.5)))
    assert {s.shift for s in seats.values()} == {0}
    assert seats["0"].gpus != seats["3"].gpus == seats["4"].gpus


def test_many_models_are_planned_quickly() -> None:
    plan = place([model(str(i), 3 + i % 5) for i in range(20)], gpus(*[24] * 8))
    assert len(plan.seats) == 20
