"""Uploads a publication to the hub, by the hub's own client.

The client finds the token by itself (`hf auth login` or HF_TOKEN); it is neither read nor stored
here. HF_ENDPOINT names another hub.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.extras import load_package
from pixfoundation.publishing.folder import Publication
from pixfoundation.publishing.table import FEATURE

MESSAGE = "A run of PixFoundation"
_HTTP = ("httpx", "httpx2", "httpcore", "requests")


def push(publication: Publication, *, public: bool = False, update: bool = False) -> list[str]:
    """Upload a publication.

    Args:
        publication: What is uploaded.
        public: Whether a new repository is public.
        update: Whether the repository may exist; it gets one more commit, and stays as public as
            it is.

    Returns:
        The addresses of the dataset and, if the model gets a result, of the pull request there.

    Raises:
        DataError: If the repository exists and `update` is false, or the hub refuses the files.
        PrerequisiteError: If there is no token or no network, or the token is refused.
    """
    hub = load_package("huggingface_hub", "data", FEATURE)
    if hub.get_token() is None:
        raise PrerequisiteError(
            "There is no token of the hub on this machine. Make one with write access at "
            "https://huggingface.co/settings/tokens and log in: hf auth login (or set HF_TOKEN)."
        )
    api = hub.HfApi()
    with _explained(publication.repo, hub):
        url = _create(api, publication.repo, public=public, update=update)
        api.upload_folder(
            repo_id=publication.repo,
            repo_type="dataset",
            folder_path=str(publication.dataset),
            allow_patterns=list(_places(publication.files, publication.dataset)),
            commit_message=MESSAGE,
        )
    addresses = [url]
    if publication.model is not None and publication.result is not None:
        with _explained(publication.result.model, hub):
            commit = api.create_commit(
                repo_id=publication.result.model,
                operations=[
                    hub.CommitOperationAdd(place, file)
                    for place, file in _places(publication.files, publication.model).items()
                ],
                commit_message=f"{MESSAGE}: {publication.result.figure}",
                create_pr=True,  # whose model it is decides
            )
        addresses.append(str(commit.pr_url or commit.commit_url))
    return addresses


def _create(api: Any, repo: str, *, public: bool, update: bool) -> str:
    """Make a repository, or find it if `update` says that it may exist; return its address."""
    errors = load_package("huggingface_hub.errors", "data", FEATURE)
    try:
        return str(api.create_repo(repo, repo_type="dataset", private=not public, exist_ok=update))
    except errors.HfHubHTTPError as error:
        if _status(error) != 409:
            raise
        raise DataError(
            f"{repo} exists already. Choose another name, or add to it with --update."
        ) from error


def _places(files: Iterable[Path], folder: Path) -> dict[str, Path]:
    """Return the files that lie in a folder, by their place in it."""
    return {
        file.relative_to(folder).as_posix(): file for file in files if file.is_relative_to(folder)
    }


@contextmanager
def _explained(repo: str, hub: Any) -> Generator[None]:
    """Turn what the client raises into one sentence that names the repository."""
    errors = load_package("huggingface_hub.errors", "data", FEATURE)
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise PrerequisiteError(
            "HF_HUB_OFFLINE is set, so nothing can be pushed. Unset it, or use --dry-run."
        ) from error
    except errors.HfHubHTTPError as error:
        status = _status(error)
        reason = error.server_message or str(error).splitlines()[0]
        if status in (401, 403):
            raise PrerequisiteError(
                f"The hub refuses the token for {repo} ({status}: {reason}). It needs write access "
                "to that owner: hf auth login."
            ) from error
        raise DataError(f"The hub refuses {repo} ({status}: {reason}).") from error
    except Exception as error:  # the client's errors of the network have no common class
        if not isinstance(error, OSError) and not _of_the_network(error):
            raise
        place = hub.constants.ENDPOINT
        raise PrerequisiteError(
            f"{place} cannot be reached ({type(error).__name__}: {error}). The files are written; "
            "the same command pushes them."
        ) from error


def _status(error: Any) -> int | None:
    return getattr(error.response, "status_code", None)


def _of_the_network(error: Exception) -> bool:
    """Return whether an error comes from the client's own client of HTTP, which has changed."""
    return any(base.__module__.partition(".")[0] in _HTTP for base in type(error).__mro__)
