"""A figure of a run as an entry of `.eval_results` in the repository of a model.

Format: https://huggingface.co/docs/hub/eval-results. An entry names a benchmark (a dataset of the
hub) and one of the tasks that its `eval.yaml` declares, and holds one value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pixfoundation.datasets.fetch import FETCHABLE
from pixfoundation.errors import DataError
from pixfoundation.exports.view import ExportedRun
from pixfoundation.extras import load_package
from pixfoundation.publishing.table import FEATURE

FOLDER = ".eval_results"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalResult:
    """Which figure is reported, and where.

    Attributes:
        model: Id of the model's repository, as OWNER/NAME.
        benchmark: Id of the benchmark's dataset on the hub; None for the one that `datasets fetch`
            downloads.
        task: Id of the task in the benchmark's `eval.yaml`; None for the name of the figure, which
            `publishing.benchmark` gives its tasks.
        figure: The figure, as in the JSON of `score`: S, A_dagger, A, M_dagger, M or grove.
    """

    model: str
    benchmark: str | None = None
    task: str | None = None
    figure: str = "S"

    def path(self, run: ExportedRun) -> str:
        """Return the path of the entry in the model's repository."""
        return f"{FOLDER}/pixfoundation_{run.scores.dataset}_{self.figure.lower()}.yaml"

    def write(self, run: ExportedRun, out: Path, repo: str) -> None:
        """Write the entry into a file.

        Args:
            run: The run.
            out: The file.
            repo: Id of the dataset that holds the run's answers, which is named as the source.

        Raises:
            DataError: If the run lacks the figure, or the benchmark has no known id.
            PrerequisiteError: If huggingface_hub or PyYAML is not installed.
        """
        hub = load_package("huggingface_hub", "data", FEATURE)
        yaml = load_package("yaml", "data", FEATURE)
        known = run.scores.lead.to_json()
        value = known.get(self.figure) if self.figure in known["intervals"] else None
        if value is None:
            has = [name for name in known["intervals"] if known[name] is not None]
            raise DataError(f"{run.name} has no figure {self.figure!r}. It has {', '.join(has)}.")
        entry = hub.EvalResultEntry(
            dataset_id=self._benchmark(run),
            task_id=self.task or self.figure,
            value=round(100 * value, 2),
            date=_date(run),
            source_url=f"https://huggingface.co/datasets/{repo}",
            source_name="Answers and masks",
            notes=self._notes(run),
        )
        out.parent.mkdir(parents=True, exist_ok=True)
        data = hub.eval_result_entries_to_yaml([entry])
        out.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def _benchmark(self, run: ExportedRun) -> str:
        name = run.scores.dataset
        if self.benchmark is not None:
            return self.benchmark
        if name not in FETCHABLE:
            raise DataError(
                f"No dataset of the hub is known for {name!r}. Name the benchmark: --benchmark "
                "OWNER/NAME."
            )
        return FETCHABLE[name].repositories[0].id

    def _notes(self, run: ExportedRun) -> str:
        rules = "published rules" if run.scores.settings.published else "default rules"
        whole = run.scores.completeness.sentence
        return (
            f"{self.figure} in percent, masks by {run.scores.selector_label}, {rules}, "
            f"{len(run.scores.samples)} samples" + (f"; {whole}" if whole else "")
        )


def _date(run: ExportedRun) -> str:
    """Return the day of the last answer, so that the same run gives the same entry."""
    files = run.records.run.path.glob("answers*.jsonl")
    last = max((file.stat().st_mtime for file in files), default=0.0)
    return datetime.fromtimestamp(last, UTC).strftime("%Y-%m-%d")
