"""What a worker counts and measures, for Prometheus."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workers.shown.status import SlotStatus, WorkerStatus

_WAITS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
_RUNS = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200)
_LABELS = ("pool", "worker", "slot")


class Metrics:
    """The state of the slots whenever somebody asks, and how long runs waited and took."""

    def __init__(self, status: Callable[[], WorkerStatus]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Slots(status))
        self._waits = Histogram(
            "warm_process_wait_seconds",
            "From when a run should start to when a process has it in hand.",
            ("pool",),
            buckets=_WAITS,
            registry=self._registry,
        )
        self._runs = Histogram(
            "warm_process_run_seconds",
            "How long a process has a run in hand.",
            ("pool",),
            buckets=_RUNS,
            registry=self._registry,
        )

    def begun(self, pool: str, waited_seconds: float) -> None:
        self._waits.labels(pool).observe(max(0.0, waited_seconds))

    def ended(self, pool: str, seconds: float) -> None:
        self._runs.labels(pool).observe(seconds)

    def text(self) -> str:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry).decode()


class _Slots(Collector):
    """The worker's status as metrics."""

    def __init__(self, status: Callable[[], WorkerStatus]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        of_worker = (status.pool, status.worker)
        waiting = GaugeMetricFamily("warm_process_waiting_runs", "Runs that wait for a slot.", labels=_LABELS[:2])
        waiting.add_metric(of_worker, status.waiting_runs)
        age = GaugeMetricFamily("warm_process_queue_age_seconds", "The longest of their waits.", labels=_LABELS[:2])
        age.add_metric(of_worker, status.queue_age_seconds)
        models = GaugeMetricFamily("warm_process_model_bytes", "What a model holds.", labels=(*_LABELS, "model"))
        for slot in status.slots:
            for model, size in slot.models.items():
                models.add_metric((*of_worker, slot.slot, model), size)
        yield from (waiting, age, models)
        yield from _of_slots(of_worker, status.slots)

    def describe(self) -> Iterator[Metric]:
        """Nothing ahead: the registry would else ask for a status before the worker has one."""
        return iter(())


def _of_slots(of_worker: tuple[str, str], slots: list[SlotStatus]) -> Iterator[Metric]:
    gauges: dict[str, tuple[str, Callable[[SlotStatus], float]]] = {
        "ready": ("Whether the process is there.", lambda slot: slot.ready),
        "busy": ("Whether it has a run in hand.", lambda slot: slot.flow_run_id is not None),
        "resident_bytes": ("What it holds in main memory.", lambda slot: slot.resident_bytes),
    }
    counters: dict[str, tuple[str, Callable[[SlotStatus], float]]] = {
        "runs": ("Runs that it ended.", lambda slot: slot.runs_done),
        "reloads": ("Loads of a model that the slot had loaded before.", lambda slot: slot.reloads),
        "restarts": ("Processes that were replaced.", lambda slot: slot.restarts),
    }
    for kind, table in ((GaugeMetricFamily, gauges), (CounterMetricFamily, counters)):
        for name, (text, value) in table.items():
            metric = kind(f"warm_process_{name}", text, labels=_LABELS)
            for slot in slots:
                metric.add_metric((*of_worker, slot.slot), float(value(slot)))
            yield metric
