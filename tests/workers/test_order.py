"""The scheduling policy: priority, then fair shares, and a bounded preference for loaded models."""

import random
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient

from tests.waiting import wait_for
from tests.workers.harness.workers import Pool, Worker, lines, release, running_worker, wait_until_begun
from workers.options import parse_slots
from workers.turns.policy import ServiceHistory, WaitingRun, assign, choose_run, model_of
from workers.turns.queue_scan import QueueScan

NO_MODELS: frozenset[str] = frozenset()


def run(name: str, *, priority: int = 1, since: float = 0.0, model: str | None = None, share: str = "") -> WaitingRun:
    return WaitingRun(id=name, priority=priority, since=since, model=model, share=share)


def test_the_higher_priority_goes_first_however_long_others_wait() -> None:
    waiting = [run("batch", priority=10, since=-1e6, model="a"), run("interactive", priority=1, since=9, model="b")]
    chosen = choose_run(waiting, frozenset({"a"}), ServiceHistory(5.0), now=10.0)
    assert chosen is not None
    assert chosen.id == "interactive"


def test_runs_of_equal_priority_start_in_the_order_of_their_arrival() -> None:
    waiting = [run("second", since=2), run("first", since=1)]
    chosen = choose_run(waiting, NO_MODELS, ServiceHistory(5.0), now=3.0)
    assert chosen is not None
    assert chosen.id == "first"


def test_a_run_whose_model_is_loaded_goes_ahead_but_only_until_the_others_patience_ends() -> None:
    history = ServiceHistory(5.0)
    other, loaded = run("other", since=0.0, model="b"), run("loaded", since=1.0, model="a")
    early = choose_run([other, loaded], frozenset({"a"}), history, now=4.0)
    late = choose_run([other, loaded], frozenset({"a"}), history, now=6.0)
    assert early is not None
    assert late is not None
    assert (early.id, late.id) == ("loaded", "other")


def test_nobody_starves_however_many_runs_have_their_model_loaded() -> None:
    history, served = ServiceHistory(5.0), 0.0
    lonely = run("lonely", since=0.0, model="b", share="b")
    for second in range(100):
        crowd = [run(f"crowd{second}-{number}", since=float(second), model="a", share="a") for number in range(3)]
        (chosen, _), *_ = assign([*crowd, lonely], {"slot": frozenset({"a"})}, history, float(second))
        if chosen == "lonely":
            served = float(second)
            break
    assert 0 < served <= 6.0, "it waited at most its patience and the run in hand"


def test_nobody_starves_behind_loaded_models_of_the_same_share_either() -> None:
    history, waits = ServiceHistory(5.0), list[float]()
    lonely = [run(f"lonely{number}", since=0.0, model="b") for number in range(3)]
    for second in range(60):
        crowd = [run(f"crowd{second}-{number}", since=float(second), model="a") for number in range(3)]
        (chosen, _), *_ = assign([*crowd, *lonely], {"slot": frozenset({"a"})}, history, float(second))
        if chosen.startswith("lonely"):
            waits.append(float(second))
            lonely = [one for one in lonely if one.id != chosen]
    assert len(waits) == 3, "a run whose model is never loaded gets a turn"
    within = 5.0 + 2.0  # the patience and the run in hand
    assert all(later - earlier <= within for earlier, later in pairwise([0.0, *waits]))


def test_long_runs_of_a_batch_do_not_use_up_the_patience_before_another_share() -> None:
    history = ServiceHistory(5.0)
    batch = [run(f"batch{number}", since=0.0, model="a", share="ada") for number in range(5)]
    history.record(batch[0], 100.0)
    image = run("image", since=118.0, model="a", share="bob")
    chosen = choose_run([*batch[1:], image], frozenset({"a"}), history, now=120.0)
    assert chosen is not None
    assert chosen.id == "image"


def test_loaded_models_save_two_reloads_of_three_on_a_mix_of_three_models_of_which_two_fit() -> None:
    chances = random.Random(4)
    mix = [run(f"{number:03}", since=0.0, model=chances.choice("abc")) for number in range(200)]
    assert reloads(mix, patience_seconds=10.0) * 3 <= reloads(mix, patience_seconds=0.0)


def reloads(waiting: list[WaitingRun], patience_seconds: float, seconds_a_run: float = 0.5) -> int:
    """How many loads a slot for two models needs, the longest unused one going first."""
    left, history, loaded, loads = list(waiting), ServiceHistory(patience_seconds), list[str](), 0
    for number in range(len(waiting)):
        chosen = choose_run(left, frozenset(loaded), history, number * seconds_a_run)
        assert chosen is not None
        history.record(chosen, number * seconds_a_run)
        left.remove(chosen)
        model = str(chosen.model)
        loads += model not in loaded
        loaded = [*[one for one in loaded if one != model], model][-2:]
    return loads


def test_a_thousand_runs_of_one_person_hold_up_one_run_of_another_by_one_run_at_most() -> None:
    history = ServiceHistory(5.0)
    batch = [run(f"batch{number:04}", since=0.0, share="ada") for number in range(1000)]
    order: list[str] = []
    for second in range(10):
        image = [run("image", since=3.0, share="bob")] if second >= 3 and "image" not in order else []
        (chosen, _), *_ = assign([*batch, *image], {"slot": NO_MODELS}, history, float(second))
        batch = [one for one in batch if one.id != chosen]
        order.append(chosen)
    assert order.index("image") == 3


def test_a_run_goes_to_the_slot_that_holds_its_model() -> None:
    idle = {"one": frozenset({"a"}), "two": frozenset({"b"})}
    assert dict(assign([run("x", model="b"), run("y", model="a")], idle, ServiceHistory(5.0), 0.0)) == {
        "x": "two",
        "y": "one",
    }


def test_a_run_with_a_new_model_goes_to_the_emptiest_slot() -> None:
    idle = {"full": frozenset({"a", "b"}), "empty": NO_MODELS}
    assert assign([run("x", model="c")], idle, ServiceHistory(5.0), 0.0) == [("x", "empty")]


def test_the_model_of_a_run_is_read_from_its_tag_or_its_parameters() -> None:
    parameters = {"request": {"model": "icons"}}
    assert model_of(["model:flux"], parameters, "model:", ["request.model"]) == "flux"
    assert model_of([], parameters, "model:", ["model", "request.model"]) == "icons"
    assert model_of([], {"request": 3}, "model:", ["request.model"]) is None


def test_slots_are_parsed_and_an_invalid_text_is_refused() -> None:
    assert [slot.name for slot in parse_slots("cpu:2")] == ["cpu-0", "cpu-1"]
    assert parse_slots("0,3")[1].environment == {"CUDA_VISIBLE_DEVICES": "3"}
    for nonsense in ("cpu:0", "cpu", "0,0", "gpu:x", ""):
        with pytest.raises(ValueError, match="WARM_PROCESS_SLOTS"):
            parse_slots(nonsense)


@pytest.mark.stack
def test_priority_and_loaded_models_decide_on_a_real_server(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    for queue, priority in (("interactive", 1), ("batch", 10)):
        own.server.post(f"/work_pools/{own.name}/queues", name=queue, priority=priority)
    out = tmp_path / "out"
    options = {"report": "models_for_tests:loaded", "patience_seconds": "60", "model_parameters": "model"}
    with running_worker(own, tmp_path / "worker", **options):
        first = own.start("hold", queue="batch", path=tmp_path / "first")
        wait_until_begun(tmp_path / "first")
        runs = [
            own.start("with_model", queue="batch", path=out, model=model) for model in ("red", "blue", "red", "blue")
        ]
        runs.append(own.start("with_model", queue="interactive", path=out, model="green"))
        release(tmp_path / "first")
        assert {own.end(one) for one in [first, *runs]} == {"COMPLETED"}
    models = [line.split()[1] for line in lines(out)]
    assert models[0] == "green", "the interactive run waited for the run in hand only"
    assert models[1:] == ["red", "red", "blue", "blue"], "each model was loaded once"


@pytest.mark.stack
def test_a_run_beyond_the_first_page_of_the_queue_is_scheduled(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    batch = [{"path": str(tmp_path / "ada"), "model": str(number % 2)} for number in range(205)]
    own.start_many("with_model", batch, tags=("user:ada",))
    image = own.start("with_model", tags=("user:bob",), path=tmp_path / "bob")
    with running_worker(own, tmp_path / "worker"):
        assert own.end(image) == "COMPLETED"
        assert len(lines(tmp_path / "ada")) <= 5, "at most a few runs of the batch went before"


@pytest.mark.stack
async def test_a_run_in_the_middle_of_a_long_queue_is_found_until_it_starts(pool: Pool) -> None:
    own = Pool(pool.server)
    runs = [own.start("with_model", tags=(f"user:{'bob' if number == 6 else 'ada'}",)) for number in range(13)]
    queue = QueueScan(lambda run: tuple(run.tags), page_size=3)
    async with PrefectClient(own.server.url) as client:
        found = [await client.read_flow_run(UUID(run)) for run in runs[:3]]
        others = {str(run.id): run for run in await queue.runs_beyond(client, own.name, found)}
        assert runs[6] in others, "neither among the oldest nor among the newest"
        assert set(runs[10:]) <= others.keys(), "the newest, as they are"
        queue.discard([others[runs[6]]])
        assert runs[6] not in {str(run.id) for run in await queue.runs_beyond(client, own.name, found)}
        assert await queue.runs_beyond(client, own.name, found[:2]) == [], "that was the whole queue"


@pytest.mark.stack
def test_the_concurrency_limit_of_a_deployment_holds_and_its_runs_wait(
    pair_pool: Pool, pair: Worker, tmp_path: Path
) -> None:
    pair_pool.deployment("hold", "limited", concurrency_limit=1)
    told = [tmp_path / f"out{number}" for number in range(2)]
    runs = [pair_pool.start("hold", queue="limited", path=path) for path in told]
    wait_for(lambda: any(lines(path) for path in told), 30, "the first run")
    assert sorted(pair_pool.state(run) for run in runs) == ["RUNNING", "SCHEDULED"]
    wait_for(lambda: any(_was_refused(pair_pool, run) for run in runs), 30, "the other run to be refused")
    assert [bool(lines(path)) for path in told].count(True) == 1
    for path in told:
        release(path)
    assert {pair_pool.end(run, 90) for run in runs} == {"COMPLETED"}


def _was_refused(pool: Pool, run: str) -> bool:
    states = pool.server.get("/flow_run_states/", flow_run_id=run)
    return any(state["name"] == "AwaitingConcurrencySlot" for state in states)
