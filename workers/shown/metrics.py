"""The Prometheus metrics of a worker."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from workers.shown.status import SlotStatus, WorkerStatus

_WAIT_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
_RUN_BUCKETS = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200)
_LABELS = ("pool", "worker", "slot")


class Metrics:
    """The registry of one worker: histograms of wait and run times, and the status of the slots at each scrape."""

    def __init__(self, status: Callable[[], WorkerStatus]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_StatusCollector(status))
        self._waits = Histogram(
            "warm_process_wait_seconds",
            "Time from when a run should start to when a process starts it.",
            ("pool",),
            buckets=_WAIT_BUCKETS,
            registry=self._registry,
        )
        self._runs = Histogram(
            "warm_process_run_seconds",
            "Time that a process takes for a run.",
            ("pool",),
            buckets=_RUN_BUCKETS,
            registry=self._registry,
        )

    def observe_wait(self, pool: str, seconds: float) -> None:
        self._waits.labels(pool).observe(max(0.0, seconds))

    def observe_run(self, pool: str, seconds: float) -> None:
        self._runs.labels(pool).observe(seconds)

    def text(self) -> str:
        """Render all metrics in Prometheus's text format."""
        return generate_latest(self._registry).decode()


class _StatusCollector(Collector):
    """Derives metrics from the worker's status at each scrape."""

    def __init__(self, status: Callable[[], WorkerStatus]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        worker_labels = (status.pool, status.worker)
        waiting = GaugeMetricFamily("warm_process_waiting_runs", "Runs that wait for a slot.", labels=_LABELS[:2])
        waiting.add_metric(worker_labels, status.waiting_runs)
        age = GaugeMetricFamily("warm_process_queue_age_seconds", "Age of the oldest waiting run.", labels=_LABELS[:2])
        age.add_metric(worker_labels, status.queue_age_seconds)
        models = GaugeMetricFamily("warm_process_model_bytes", "Memory of a loaded model.", labels=(*_LABELS, "model"))
        for slot in status.slots:
            for model, size in slot.models.items():
                models.add_metric((*worker_labels, slot.slot, model), size)
        yield from (waiting, age, models)
        yield from _slot_metrics(worker_labels, status.slots)

    def describe(self) -> Iterator[Metric]:
        """Describe nothing: otherwise the registry would call `collect` before the worker has a status."""
        return iter(())


def _slot_metrics(worker_labels: tuple[str, str], slots: list[SlotStatus]) -> Iterator[Metric]:
    gauges: dict[str, tuple[str, Callable[[SlotStatus], float]]] = {
        "ready": ("Whether the process accepts runs.", lambda slot: slot.ready),
        "busy": ("Whether the slot executes a run.", lambda slot: slot.flow_run_id is not None),
        "resident_bytes": ("Resident memory of the process and its descendants.", lambda slot: slot.resident_bytes),
    }
    counters: dict[str, tuple[str, Callable[[SlotStatus], float]]] = {
        "runs": ("Finished runs.", lambda slot: slot.runs_done),
        "reloads": ("Loads of a model that the slot had loaded before.", lambda slot: slot.reloads),
        "restarts": ("Processes that were replaced.", lambda slot: slot.restarts),
    }
    for kind, table in ((GaugeMetricFamily, gauges), (CounterMetricFamily, counters)):
        for name, (text, value) in table.items():
            metric = kind(f"warm_process_{name}", text, labels=_LABELS)
            for slot in slots:
                metric.add_metric((*worker_labels, slot.slot), float(value(slot)))
            yield metric
