"""What PixFoundation's side of lmms-eval needs of it, where it is not installed.

`evaluate` does what lmms-eval 0.7.3 does with a task and a model, in a few lines: documents from
`process_docs`, one request per document, the reply stripped and given to `process_results`, every
figure by its aggregation. `test_lmms_eval.py` holds the real package to the same figures.
"""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace

import yaml

from pixfoundation.integrations.lmms_eval import TASKS


class Base:
    """Stands for `lmms_eval.api.model.lmms`."""

    def __init__(self):
        self.rank, self.task_dict = 0, {}

    def clean(self):
        self.cleaned = True


class Rows(list):
    """Stands for a `datasets.Dataset`."""

    @property
    def column_names(self):
        return list(self[0]) if self else []


def install(monkeypatch):
    """Put stand-ins where the package would be; return what was logged."""
    log = []
    logger = SimpleNamespace(info=log.append, warning=log.append, error=log.append)
    for name, module in {
        "lmms_eval.api.model": SimpleNamespace(lmms=Base),
        "loguru": SimpleNamespace(logger=logger),
        "datasets": SimpleNamespace(Dataset=SimpleNamespace(from_list=Rows)),
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    forget()
    return log


def forget():
    """Let the unit be imported anew, with the package or with its stand-in."""
    for name in [name for name in sys.modules if name.startswith("pixfoundation.integrations")]:
        del sys.modules[name]


def task(name):
    """Return the settings of a task with its functions."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_constructor("!function", lambda loader, node: _function(node.value))

    def load(file):
        settings = yaml.load((TASKS / file).read_text(encoding="utf-8"), loader)
        return {**(load(settings["include"]) if "include" in settings else {}), **settings}

    return load(f"{name}.yaml")


def _function(path):
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def request(settings, number, doc):
    return SimpleNamespace(
        args=(
            settings["doc_to_text"](doc),
            settings["generation_kwargs"],
            settings["doc_to_visual"],
            number,
            settings["task"],
            settings["test_split"],
        )
    )


def evaluate(model, name, rows):
    """Return the figures of a task by name, and the replies."""
    settings = task(name)
    docs = settings["process_docs"](rows)
    model.task_dict[name] = {settings["test_split"]: docs}
    replies = model.generate_until([request(settings, i, doc) for i, doc in enumerate(docs)])
    kept = [
        settings["process_results"](doc, [reply.strip()])
        for doc, reply in zip(docs, replies, strict=True)
    ]
    figures = {
        metric["metric"]: metric["aggregation"]([each[metric["metric"]] for each in kept])
        for metric in settings["metric_list"]
    }
    return figures, replies
