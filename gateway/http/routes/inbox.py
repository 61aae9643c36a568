"""/api/inbox: the files of the project's inbox that wait."""

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.http.access import Viewer
from storage.index.waiting import WaitingFile

router = APIRouter(prefix="/api/inbox", tags=["Artifacts"])


class InboxState(BaseModel):
    """The files whose ingest failed for a reason outside of the file, such as a full disk; they are tried again."""

    waiting: list[WaitingFile]


@router.get("")
def show_inbox(caller: Viewer) -> InboxState:
    """The files that wait in the inbox: why, how often they were tried, and when they are tried again."""
    return InboxState(waiting=caller.space.platform.waiting.of_project(caller.project))
