"""A fork server, `python -m workers.child <file descriptor of a socket>`: imports Prefect once and forks the processes
of the slots, so that a process that ended is replaced in a fraction of a second.

For each datagram from the worker, a JSON object of environment variables with the descriptor of the new process's
socket, the reply is `{"pid": n}`, and `{"pid": n, "code": c}` when that process has ended.
"""

import json
import os
import selectors
import signal
import socket
import sys

from workers.child.slot_process import die_with_parent, serve
from workers.messages import MAX_ENVIRONMENT_BYTES


def main() -> None:
    """Fork processes until the worker closes the socket; in a forked process, serve its slot."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker: it lets the current run finish.
    with socket.socket(fileno=int(sys.argv[1])) as worker, selectors.DefaultSelector() as events:
        worker.set_inheritable(False)
        events.register(worker, selectors.EVENT_READ)
        forked = _fork_on_request(worker, events)
    if forked is not None:
        connection, environment = forked
        serve(connection, environment)


def _fork_on_request(
    worker: socket.socket, events: selectors.BaseSelector
) -> tuple[socket.socket, dict[str, str]] | None:
    """Fork a process for each request. Returns its connection and environment in the forked process, where the caller
    closes the server's sockets, and None in the server once the worker has closed its socket.
    """
    while True:
        for key, _ in events.select():
            if key.data is not None:
                _report_exit(worker, events, key)
                continue
            environment, descriptors, *_ = socket.recv_fds(worker, MAX_ENVIRONMENT_BYTES, 1)
            if not environment:
                return None
            connection = socket.socket(fileno=descriptors[0])
            if (pid := os.fork()) == 0:
                for sibling in [one.fd for one in events.get_map().values() if one.data is not None]:
                    os.close(sibling)
                return connection, json.loads(environment)
            connection.close()
            worker.send(json.dumps({"pid": pid}).encode())
            events.register(os.pidfd_open(pid), selectors.EVENT_READ, data=pid)


def _report_exit(worker: socket.socket, events: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    _, status = os.waitpid(key.data, 0)
    events.unregister(key.fileobj)
    os.close(key.fd)
    worker.send(json.dumps({"pid": key.data, "code": os.waitstatus_to_exitcode(status)}).encode())


if __name__ == "__main__":
    main()
