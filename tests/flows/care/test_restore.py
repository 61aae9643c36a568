"""Restore: an empty stack with a restored backup answers every search as the lost one did, without a model."""

from collections.abc import Callable
from pathlib import Path

from flows.care.rebuild_index import rebuild_index
from flows.care.verify import Inspection, verify_project
from flows.ingest import ingest_files
from flows.library.labelling import update_labels
from flows.running.content_forms import Query
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from flows.search import find
from gateway.cli.uploads import upload
from storage.care.backup import back_up, restore_backup
from storage.care.object_store import FolderStore
from storage.index.parts import Hit

FILES = ("dog-and-hydrant.jpg", "red-bus.jpg", "weather.wav", "autumn-market.txt", "herbstmarkt.md")
QUESTIONS = ("a dog", "market", "rain and sun", "something red")


async def answers(context: RunContext) -> list[list[Hit]]:
    found = [await find(context, Query(words=words, limit=50)) for words in QUESTIONS]
    found.append(await find(context, Query(words="market", labels=["autumn"])))
    return [report.hits for report in found]


async def test_a_restored_stack_answers_like_the_one_that_was_lost(
    new_platform: Callable[[], Platform], samples: Path, tmp_path: Path
) -> None:
    lost = new_platform()
    context = local_context(lost.space("default"))
    keys = upload(lost.bucket, [samples / name for name in FILES])
    report = await ingest_files(context, list(keys), ("sample",))
    text = next(item.artifact for item in report.items if item.path == "autumn-market.txt")
    assert text
    update_labels(context.space, text, add=["autumn"])
    before = await answers(context)
    page = context.space.library.page("default")
    back_up(lost.bucket, FolderStore(tmp_path))

    fresh = new_platform()
    again = local_context(fresh.space("default"))
    assert restore_backup(FolderStore(tmp_path), fresh.bucket).problems == []
    await rebuild_index(again)
    assert fresh.pool.loaded() == []
    assert await answers(again) == before
    assert fresh.library.page("default") == page
    assert (await verify_project(again, Inspection())).findings == []
