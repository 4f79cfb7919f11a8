"""MLflow, by its own client: https://mlflow.org (extra `mlflow`)."""

from __future__ import annotations

from dataclasses import dataclass
from time import time
from typing import Any

from pixfoundation.extras import load_package
from pixfoundation.trackers.addresses import without_login
from pixfoundation.trackers.base import TrackedRun, trackers


@trackers.register(
    "mlflow", summary="MLflow.", offline="the default: a database in the current folder"
)
@dataclass(frozen=True, slots=True, kw_only=True)
class MLflow:
    """A run of an experiment of MLflow.

    Attributes:
        uri: A server's address, `sqlite:///FILE` or a folder; by default what MLFLOW_TRACKING_URI
            says, or MLflow's own default, the file mlflow.db in the current folder.
    """

    uri: str | None = None

    def __post_init__(self) -> None:
        """Find the package before anything is scored or drawn."""
        _client()

    def record(self, run: TrackedRun, project: str) -> str:
        """Record the run; a server is authorised as always, by MLflow's environment variables."""
        mlflow = _client()
        client = mlflow.MlflowClient(tracking_uri=self.uri)
        experiment = client.get_experiment_by_name(project)
        number = (
            client.create_experiment(project) if experiment is None else experiment.experiment_id
        )
        own = client.create_run(number, run_name=run.name).info.run_id
        status = "FAILED"
        now = int(time() * 1000)  # milliseconds, by which the page of a run places its figures
        try:
            client.log_batch(
                own,
                metrics=[mlflow.entities.Metric(k, v, now, 0) for k, v in run.scores.items()],
                params=[mlflow.entities.Param(k, v) for k, v in run.settings.items()],
            )
            for path in run.pictures.values():
                client.log_artifact(own, str(path), "figures")
            status = "FINISHED"
        finally:
            client.set_terminated(own, status)
        uri = without_login(self.uri or mlflow.get_tracking_uri())
        look = "" if uri.startswith("http") else f" Look: mlflow ui --backend-store-uri {uri}"
        return f"{run.name} is run {own} in {uri}.{look}"


def _client() -> Any:
    return load_package("mlflow", "mlflow", "The tracker 'mlflow'")
