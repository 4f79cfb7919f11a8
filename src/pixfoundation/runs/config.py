"""The configuration of a run, as `run.json` holds it.

Plain classes that check what they are given: a validation library would cost each command of a
run's more than all the reading does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, cast

from pixfoundation.conventions import DEFAULT, PUBLISHED, Conventions
from pixfoundation.errors import DataError
from pixfoundation.types import Protocol

_RECORDED = ("model", "grounding")
"""Layers whose rules the results of a run depend on."""

_DERIVED: Any = None
"""Stands for the conventions where they follow from `published`."""

D = TypeVar("D", bound="Description")
Types = tuple[type, ...]
"""The types that a field may have; `list` for a list of texts."""


class Description:
    """What identifies a part of a run.

    Each part describes itself by its fingerprint, so further fields are kept as they are. Fields
    that are not set are not written.
    """

    __slots__ = ("_fields",)
    _DECLARED: ClassVar[dict[str, Types]] = {"name": (str,)}

    def __init__(self, /, **fields: Any) -> None:
        """Keep the fields, the declared ones first.

        Raises:
            DataError: If a declared field has another type.
        """
        declared = self._declared()
        for key, value in fields.items():
            if key in declared:
                _check(key, value, declared[key])
        ordered = {key: fields[key] for key in declared if key in fields}
        self._fields: dict[str, Any] = {**ordered, **fields}

    @classmethod
    def of(cls, name: str, fields: Mapping[str, Any]) -> Self:
        """Return the description of a part with its name first.

        Args:
            name: Name of the part.
            fields: Everything else, such as its fingerprint; a `name` in it takes precedence.
        """
        return cls(**{"name": name, **fields})

    @classmethod
    def _declared(cls) -> dict[str, Types]:
        return {**Description._DECLARED, **cls._DECLARED}

    @property
    def name(self) -> str | None:
        """Name of the part; None if it has none."""
        return self._fields.get("name")

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are set as plain JSON data, `name` first."""
        return _plain(self._fields)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and cast("Self", other).to_json() == self.to_json()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        values = ", ".join(f"{key}={value!r}" for key, value in self._fields.items())
        return f"{type(self).__name__}({values})"


class ModelDescription(Description):
    """Name, revision, options and prompt templates of a model."""

    __slots__ = ()


class DatasetDescription(Description):
    """What identifies a dataset."""

    __slots__ = ()
    _DECLARED: ClassVar[dict[str, Types]] = {"fingerprint": (str,), "notes": (list,)}

    @property
    def fingerprint(self) -> str | None:
        """Changes whenever the samples do."""
        return self._fields.get("fingerprint")

    @property
    def notes(self) -> tuple[str, ...]:
        """What every table must say about the dataset."""
        return tuple(self._fields.get("notes") or ())


class SegmenterDescription(Description):
    """Name and options of a segmenter."""

    __slots__ = ()


class GroundingDescription(Description):
    """Name and options of a grounder; nothing is set where nothing is grounded."""

    __slots__ = ()


class DecodingDescription(Description):
    """How answers are decoded."""

    __slots__ = ()
    _DECLARED: ClassVar[dict[str, Types]] = {
        "max_new_tokens": (int,),
        "temperature": (int, float),
    }

    @property
    def max_new_tokens(self) -> int | None:
        """Greatest number of tokens per answer."""
        return self._fields.get("max_new_tokens")

    @property
    def temperature(self) -> int | float | None:
        """Sampling temperature; 0 for greedy decoding."""
        return self._fields.get("temperature")


class AnswersDescription(Description):
    """Where the texts of a run come from, if the model did not write them."""

    __slots__ = ()
    _DECLARED: ClassVar[dict[str, Types]] = {"kind": (str,), "sha256": (str,)}

    @property
    def kind(self) -> str:
        """`run`, `file` or `endpoint`."""
        return self._fields.get("kind") or "run"

    @property
    def sha256(self) -> str | None:
        """Hash of the other run's configuration, or of the file."""
        return self._fields.get("sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that a run's results depend on: equal configurations give equal results.

    Attributes:
        model: The model. This and the other descriptions may be given as mappings.
        dataset: The dataset.
        segmenter: The segmenter; None if only native masks are used.
        grounding: The grounder.
        protocols: The protocols that are run.
        decoding: How answers are decoded.
        seed: Seed of the random points and of sampling.
        published: Whether models and grounders follow the published rules; derived from the
            conventions where these are given.
        imported: Whether the answers come from files of the published code.
        conventions: Rules of models and grounders. Files without this key hold only `published`,
            which means `PUBLISHED` or `DEFAULT`.
        answers: Where the texts come from; None, and not written, if the model wrote them.

    Raises:
        DataError: If a field has another type.
    """

    model: ModelDescription
    dataset: DatasetDescription
    segmenter: SegmenterDescription | None = None
    grounding: GroundingDescription = field(default_factory=GroundingDescription)
    protocols: tuple[Protocol, ...]
    decoding: DecodingDescription = field(default_factory=DecodingDescription)
    seed: int = 2024
    published: bool = False
    imported: bool = False
    conventions: Conventions = _DERIVED
    answers: AnswersDescription | None = None

    def __post_init__(self) -> None:
        _check("seed", self.seed, (int,), required=True)
        for name in ("published", "imported"):
            _check(name, getattr(self, name), (bool,), required=True)
        self._set("model", _described(ModelDescription, "model", self.model))
        self._set("dataset", _described(DatasetDescription, "dataset", self.dataset))
        self._set("grounding", _described(GroundingDescription, "grounding", self.grounding))
        self._set("decoding", _described(DecodingDescription, "decoding", self.decoding))
        if self.answers is not None:
            self._set("answers", _described(AnswersDescription, "answers", self.answers))
        if self.segmenter is not None:
            self._set("segmenter", _described(SegmenterDescription, "segmenter", self.segmenter))
        protocols = cast("Any", self.protocols)
        if not isinstance(protocols, list | tuple) or not all(
            type(each) is int and each in (1, 2, 3) for each in cast("list[Any]", protocols)
        ):
            raise DataError(f"protocols: expected a list of 1, 2 and 3, but found {protocols!r}.")
        self._set("protocols", tuple(cast("list[Protocol]", protocols)))
        rules = cast("Any", self.conventions)
        if not isinstance(rules, Conventions):
            _check("conventions", rules, (dict,))
            base = PUBLISHED if self.published else DEFAULT
            rules = Conventions.from_mapping(rules or {}, base)
        self._set("conventions", rules)
        self._set("published", rules.agrees_with(PUBLISHED, *_RECORDED))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunConfig:
        """Read a configuration.

        Raises:
            DataError: If a field is missing, unknown, or has another type.
        """
        names = [each.name for each in fields(cls)]
        for key in data:
            if key not in names:
                raise DataError(f"{key}: no such field is known.")
        for key in ("model", "dataset", "protocols"):
            if key not in data:
                raise DataError(f"{key}: this field is missing.")
        return cls(**data)

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as plain JSON data."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.answers is None:
            del data["answers"]
        rules = {layer: getattr(self.conventions, layer).to_json() for layer in _RECORDED}
        return _plain({**data, "conventions": rules})

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


_NAMES: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list of texts",
    dict: "an object",
}


def _check(name: str, value: Any, types: Types, *, required: bool = False) -> None:
    """Check that a value has one of the types, or is None if it may be left out.

    Raises:
        DataError: If it has not.
    """
    if value is None and not required:
        return
    if types == (list,):
        is_right = isinstance(value, list | tuple) and all(
            isinstance(each, str) for each in cast("list[Any]", value)
        )
    elif bool in types:
        is_right = isinstance(value, bool)
    else:
        is_right = isinstance(value, types) and not isinstance(value, bool)
    if not is_right:
        what, kind = " or ".join(_NAMES[each] for each in types), type(cast("object", value))
        raise DataError(f"{name}: expected {what}, but found {kind.__name__}.")


def _described(kind: type[D], name: str, value: Any) -> D:
    """Return a description as it is, or made of a mapping."""
    if isinstance(value, kind):
        return value
    _check(name, value, (dict,), required=True)
    try:
        return kind(**value)
    except DataError as error:
        raise DataError(f"{name}.{error}") from error


def _plain(value: Any) -> Any:
    """Return a value as plain JSON data."""
    if isinstance(value, Description):
        return value.to_json()
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value)
        return {str(key): _plain(each) for key, each in items.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in cast("list[Any]", value)]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value
