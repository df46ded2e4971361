"""How many questions are needed: known values, what makes it more, and power as planned."""

from dataclasses import replace

import numpy as np
import pytest

from folkmoot.evaluation.statistics import Unit, mcnemar, sign_flip
from folkmoot.evaluation.statistics.planning import Design, detectable, observed, sample_size


def test_the_formula_of_connor() -> None:
    # Connor 1987: n = (1.96 sqrt(0.3) + 0.8416 sqrt(0.3 - 0.01))^2 / 0.01
    assert sample_size(0.1, Design(partial=True)) == 234
    assert sample_size(0.1) == 244
    assert sample_size(-0.1) == 244


def test_more_is_needed_for_less_difference_more_comparisons_clusters_and_power() -> None:
    base = Design()
    n = sample_size(0.1, base)
    assert n is not None
    for harder in (
        sample_size(0.05, base),
        sample_size(0.1, replace(base, comparisons=6)),
        sample_size(0.1, replace(base, cluster=4)),
        sample_size(0.1, replace(base, power=0.9)),
        sample_size(0.1, replace(base, discordance=0.5)),
    ):
        assert harder is not None
        assert harder > n


def test_draws_help_only_against_the_noise_of_drawing() -> None:
    loose = Design(partial=True)
    assert sample_size(0.1, replace(loose, draws=8)) == sample_size(0.1, loose)
    many = sample_size(0.1, replace(loose, draws=8, noise=0.8))
    assert many is not None
    assert many < 0.5 * (sample_size(0.1, loose) or 0)


@pytest.mark.parametrize("design", [Design(), Design(comparisons=10, cluster=3), Design(discordance=0.1)])
@pytest.mark.parametrize("n", [100, 300, 2000, 20_000])
def test_the_detectable_difference_is_what_n_items_are_needed_for(design: Design, n: int) -> None:
    size = detectable(n, design)
    if size is None:
        needed = sample_size(design.discordance, design)
        assert needed is None or needed > n
        return
    assert (sample_size(size + 1e-9, design) or 0) <= n
    assert (sample_size(size * 0.99, design) or 0) > n


def test_too_few_items_detect_nothing() -> None:
    assert detectable(5) is None
    assert sample_size(0.4, Design(discordance=0.3)) is None
    assert sample_size(0.0) is None


def test_even_if_all_differ_six_items_are_needed() -> None:
    assert (sample_size(1.0, Design(discordance=1.0)) or 0) >= 6


@pytest.mark.parametrize("wrong", [{"discordance": 0}, {"alpha": 1}, {"noise": 2}, {"draws": 0}, {"comparisons": 0}])
def test_a_design_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must lie|shares|at least 1"):
        Design(**wrong)  # type: ignore[arg-type]


# --- From an earlier run

Scores = dict[tuple[str, str], tuple[float, ...]]


def drawn_run(rng: np.random.Generator, items: int, draws: int) -> tuple[Scores, Scores, Design, float]:
    """Two systems with chances of their own on every item; what `observed` should see; the true difference."""
    easy = rng.beta(1.5, 1.5, items)
    other = np.clip(easy - 0.1 + rng.normal(0, 0.15, items), 0, 1)
    a, b = rng.random((items, draws)) < easy[:, None], rng.random((items, draws)) < other[:, None]
    differ = float(np.mean(easy * (1 - other) + other * (1 - easy)))
    true = float(np.mean(easy - other))
    noise = float(np.mean(easy * (1 - easy) + other * (1 - other))) / (differ - true**2)
    keys = [("t", str(i)) for i in range(items)]
    scores = [{k: tuple(map(float, row)) for k, row in zip(keys, x, strict=True)} for x in (a, b)]
    return scores[0], scores[1], Design(discordance=differ, noise=noise, draws=draws), true


def test_an_earlier_run_tells_discordance_and_noise() -> None:
    a, b, truth, _ = drawn_run(np.random.default_rng(1), 4000, 4)
    seen = observed(a, b, design=Design(draws=8, comparisons=3))
    assert seen.discordance == pytest.approx(truth.discordance, abs=0.02)
    assert seen.noise == pytest.approx(truth.noise, abs=0.03)
    assert (seen.draws, seen.comparisons) == (8, 3)


def test_an_earlier_run_tells_clusters() -> None:
    rng = np.random.default_rng(2)
    values = clustered(rng, 2000)
    keys = [[("t", f"{i}-{j}") for j in range(4)] for i in range(2000)]
    a = {k: (float(v > 0),) for row, ks in zip(values, keys, strict=True) for v, k in zip(row, ks, strict=True)}
    b = {k: (float(v < 0),) for row, ks in zip(values, keys, strict=True) for v, k in zip(row, ks, strict=True)}
    seen = observed(a, b, {k: f"c{i}" for i, ks in enumerate(keys) for k in ks})
    assert seen.cluster == 4
    assert seen.likeness == pytest.approx(0.85**2, abs=0.03)
    assert seen.discordance == pytest.approx(0.35, abs=0.02)
    assert observed(a, b).cluster == 1


def test_an_earlier_run_without_differences_is_not_believed() -> None:
    same: Scores = {("t", str(i)): (1.0,) for i in range(10)}
    assert observed(same, same).discordance == 0.05
    assert observed(same, {}) == Design()


# --- Power as planned, with the tests that are really used

TRIALS = 2000


def clustered(rng: np.random.Generator, clusters: int, won: float = 0.2, lost: float = 0.15) -> np.ndarray:
    """Differences in clusters of 4, intraclass correlation 0.72."""

    def trinomial(size: tuple[int, int]) -> np.ndarray:
        u = rng.random(size)
        return np.where(u < won, 1.0, np.where(u < won + lost, -1.0, 0.0))

    return np.where(rng.random((clusters, 4)) < 0.85, trinomial((clusters, 1)), trinomial((clusters, 4)))


@pytest.mark.parametrize(
    ("difference", "design"),
    [
        (0.1, Design()),
        (0.05, Design()),
        (0.15, Design(discordance=0.25)),
        (0.04, Design(discordance=0.1)),
        (0.1, Design(comparisons=6)),
        (0.2, Design(discordance=0.3)),
    ],
)
def test_exact_mcnemar_has_the_power_planned(difference: float, design: Design) -> None:
    rng, n = np.random.default_rng(3), sample_size(difference, design)
    assert n is not None
    won = (design.discordance + difference) / 2
    table: dict[tuple[int, int], float] = {}
    shown = 0
    for a, b, _ in rng.multinomial(n, [won, won - difference, 1 - design.discordance], size=TRIALS).tolist():
        if (a, b) not in table:
            table[a, b] = mcnemar([True] * a + [False] * b, [False] * a + [True] * b)
        shown += table[a, b] <= design.alpha / design.comparisons
    print(
        f"| exact McNemar | {design.discordance} | {difference} | {design.comparisons} | {n} | {100 * shown / TRIALS:.1f} % |"
    )
    assert 0.75 <= shown / TRIALS <= 0.85


@pytest.mark.parametrize("draws", [2, 5])
def test_sign_flips_over_several_draws_have_the_power_planned(draws: int) -> None:
    rng = np.random.default_rng(4)
    _, _, design, true = drawn_run(rng, 20_000, draws)
    n = sample_size(true, design)
    assert n is not None
    shown = 0
    for trial in range(600):
        easy = rng.beta(1.5, 1.5, n)
        other = np.clip(easy - 0.1 + rng.normal(0, 0.15, n), 0, 1)
        shown += (
            sign_flip(((rng.binomial(draws, easy) - rng.binomial(draws, other)) / draws).tolist(), seed=trial) <= 0.05
        )
    print(
        f"| sign flips, {draws} draws | {design.discordance:.2f} | {true:.2f} | 1 | {n} | {100 * shown / 600:.1f} % |"
    )
    assert 0.75 <= shown / 600 <= 0.85


def test_sign_flips_over_clusters_have_the_power_planned() -> None:
    rng = np.random.default_rng(5)
    n = sample_size(0.15, Design(discordance=0.35, cluster=4, likeness=0.85**2))
    assert n is not None
    totals = [clustered(rng, round(n / 4), 0.25, 0.1).sum(axis=1).tolist() for _ in range(600)]
    shown = sum(sign_flip([Unit(t, 4, 0).total for t in ts], seed=i) <= 0.05 for i, ts in enumerate(totals))
    print(f"| sign flips, clusters of 4 | 0.35 | 0.15 | 1 | {n} | {100 * shown / 600:.1f} % |")
    assert 0.75 <= shown / 600 <= 0.85
