"""The benchmark's own arithmetic: a wrong ruler would make every promise look kept."""

from __future__ import annotations

import math
import random

import pytest

from bench.latency import percentile
from bench.page import render
from bench.processes import interpolate
from bench.recovery import Recovery, stall
from bench.results import Results, targets
from bench.soak import block_means, slope_with_interval
from bench.tail import Arrival
from bench.throughput import Summary, window


def summary(variant: str, per_second: float, **more: float) -> Summary:
    fields = {"slowest": per_second, "fastest": per_second, "cpu_us": 90.0, "peak_mb": 100.0, **more}
    return Summary(
        variant=variant,
        rounds=3,
        per_second=per_second,
        broker_cpu_us=more.get("broker_cpu_us"),
        lost=int(more.get("lost", 0)),
        doubled=0,
        automated=0.75,
        slowest=fields["slowest"],
        fastest=fields["fastest"],
        cpu_us=fields["cpu_us"],
        peak_mb=fields["peak_mb"],
    )


def test_the_rate_is_the_true_one_whatever_the_batch_size():
    for batch in (1, 10, 500):
        appended = [1000 + 100 * (number // batch) * batch // 10 for number in range(10_000)]  # 100 a second
        start, end, done = window(appended)
        assert done / (end - start) == pytest.approx(100, rel=0.001)


def test_what_encryption_costs_is_said_as_a_ratio():
    page = render(Results(encryption=[summary("fused", 10_000), summary("encrypted", 7_000, cpu_us=117.0)]))
    assert "**1.30x** the CPU of the worker, at\n70% of the rate" in page


def test_what_the_cores_could_give_to_two_workers_is_said_beside_what_was_had():
    two = summary("fused-two", 15_000, cpu_us=80.0, broker_cpu_us=20.0)
    page = render(Results(throughput=[two], machine={"Logical cores": "2"}))
    assert "want 100 us of CPU for each decision" in page
    assert "give 20,000 decisions/s, and 75% of that was had" in page


def test_start_and_end_do_not_count():
    slow_start = [0] * 10 + [60_000 + number for number in range(1000)]
    start, end, done = window(slow_start)
    assert done / (end - start) == pytest.approx(1000, rel=0.001)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)]
)
def test_percentiles_are_values_that_occurred(share: float, expected: float):
    assert percentile([float(n) for n in range(1, 101)], share) == expected


def test_cpu_is_read_between_samples_and_held_at_the_ends():
    samples = [(10.0, 1.0, 0), (11.0, 2.0, 0), (13.0, 2.0, 0)]
    assert [interpolate(samples, at) for at in (5.0, 10.5, 12.0, 99.0)] == [1.0, 1.5, 2.0, 2.0]
    assert interpolate([], 1.0) == 0.0


def test_a_survivor_does_not_hide_the_silence_of_the_other_partitions():
    second = 10**9
    alive = [Arrival(n, 0, n * second // 10) for n in range(200)]
    dead = [Arrival(n, 1, n * second // 10) for n in range(200) if not 50 <= n < 130]
    assert stall([*alive, *dead], 5 * second, 15 * second) == pytest.approx(8.1)
    assert stall([*alive, *dead], 16 * second, 18 * second) == pytest.approx(0.1)


def test_a_worker_that_is_ended_counts_for_its_exit_and_one_that_is_killed_for_the_stall():
    def recovery(stalls: list[float], exits: list[float]) -> Recovery:
        return Recovery(
            variant="all", restarted=True, rate=1000, stalls=stalls, lost=0, doubled=0, exits=exits
        )

    def judged(*found: Recovery) -> dict[str, bool | None]:
        return {one.text.split()[0]: one.met for one in targets(Results(recovery=list(found)))}

    assert judged() | {"stall": None, "a": None} == judged()
    assert judged(recovery([1.9], []), recovery([4.0], [1.0, 4.9]))["stall"] is True
    assert judged(recovery([1.9], []), recovery([4.0], [1.0, 4.9]))["a"] is True
    assert judged(recovery([4.0], [1.0, 5.1]))["a"] is False


def test_a_leak_shows_and_noise_does_not():
    leak = [(hour / 100, 100 + 30 * hour / 100 + (hour % 2) * 0.1) for hour in range(100)]
    noise = [(hour / 100, 100 + math.sin(hour * 2.4)) for hour in range(100)]
    _, low, high = slope_with_interval(leak)
    assert low > 29
    assert high < 31
    _, low, high = slope_with_interval(noise)
    assert low < 0 < high


def test_memory_that_wanders_shows_no_slope_as_often_as_it_says():
    draw = random.Random(11)

    def wandering() -> list[tuple[float, float]]:
        """Sixty blocks of 20 s; each resembles the one before, correlation 0.8."""
        memory, points = draw.gauss(0, 1 / 0.6), []
        for block in range(60):
            points.append((block / 180, memory))
            memory = 0.8 * memory + draw.gauss(0, 1)
        return points

    found = [slope_with_interval(wandering()) for _ in range(400)]
    held = sum(low <= 0 <= high for _, low, high in found) / len(found)
    assert 0.9 <= held <= 0.97  # least squares alone: one in two


def test_a_short_soak_says_nothing():
    assert all(math.isnan(value) for value in slope_with_interval([(hour / 180, 1.0) for hour in range(7)]))


def test_blocks_hold_the_mean_of_their_samples_and_nothing_from_the_warm_up():
    samples = [(float(at), 0.0, 500_000_000 if at < 60 else 100_000_000) for at in range(180)]
    blocks = block_means(samples, 60.0, 180.0)
    assert [memory for _, memory in blocks] == [100.0] * 6


def test_targets_are_missed_when_they_are_missed_and_open_when_nobody_looked():
    results = Results(throughput=[summary("fused", 9_999.0), summary("bare", 12_000.0)])
    found = {target.text: target.met for target in targets(results)}
    assert found["fused worker >= 85 % of the bare loop without transactions"] is False
    assert found["fused worker >= 10,000 decisions/s on one core"] is False
    assert found[">= 4x a plain Faust agent"] is None


def test_one_lost_decision_is_a_broken_promise():
    results = Results(throughput=[summary("fused", 20_000.0, lost=1)])
    assert [t.met for t in targets(results) if t.text.startswith("our workers")] == [False]


def test_results_survive_the_file(tmp_path):
    results = Results(decisions=5, throughput=[summary("bare", 1.0)])
    results.write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == results
    assert Results.read(tmp_path / "missing.json") == Results()
