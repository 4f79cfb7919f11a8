"""Uploads a publication to the hub, by the hub's own client.

The client finds the token by itself (`hf auth login` or HF_TOKEN); it is neither read nor stored
here. HF_ENDPOINT names another hub.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pixfoundation.errors import DataError, PixFoundationError, PrerequisiteError
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
        url = api.create_repo(
            publication.repo, repo_type="dataset", private=not public, exist_ok=update
        )
        api.upload_folder(
            repo_id=publication.repo,
            repo_type="dataset",
            folder_path=str(publication.dataset),
            commit_message=MESSAGE,
        )
    addresses = [str(url)]
    if publication.model is not None and publication.result is not None:
        with _explained(publication.result.model, hub):
            files = [path for path in publication.files if path.is_relative_to(publication.model)]
            commit = api.create_commit(
                repo_id=publication.result.model,
                operations=[
                    hub.CommitOperationAdd(path.relative_to(publication.model).as_posix(), path)
                    for path in files
                ],
                commit_message=f"{MESSAGE}: {publication.result.figure}",
                create_pr=True,  # whose model it is decides
            )
        addresses.append(str(commit.pr_url or commit.commit_url))
    return addresses


@contextmanager
def _explained(repo: str, hub: Any) -> Generator[None]:
    """Turn what the client raises into one sentence that names the repository."""
    errors = load_package("huggingface_hub.errors", "data", FEATURE)
    try:
        yield
    except PixFoundationError:
        raise
    except errors.OfflineModeIsEnabled as error:
        raise PrerequisiteError(
            "HF_HUB_OFFLINE is set, so nothing can be pushed. Unset it, or use --dry-run."
        ) from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        reason = error.server_message or str(error).splitlines()[0]
        if status == 409:
            raise DataError(
                f"{repo} exists already. Choose another name, or add to it with --update."
            ) from error
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


def _of_the_network(error: Exception) -> bool:
    """Return whether an error comes from the client's own client of HTTP, which has changed."""
    return any(base.__module__.partition(".")[0] in _HTTP for base in type(error).__mro__)
