"""Jobs: the catalogue, forms, lists, progress, results, and their API."""

from __future__ import annotations

from webapp.jobs import (
    api,
    approvals,
    cancellations,
    catalogue,
    file_preview,
    files,
    history,
    item_previews,
    progress,
    retries,
    shares,
    submissions,
    trials,
    uses,
    zip_download,
)

PAGES = (
    catalogue.blueprint,
    submissions.blueprint,
    item_previews.blueprint,
    trials.blueprint,
    uses.blueprint,
    history.blueprint,
    progress.blueprint,
    cancellations.blueprint,
    approvals.blueprint,
    retries.blueprint,
    files.blueprint,
    file_preview.blueprint,
    zip_download.blueprint,
    shares.blueprint,
)
API = (api.blueprint,)
