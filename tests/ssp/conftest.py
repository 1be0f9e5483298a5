import functools
import os
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Index:
    """A package index on this machine: files that it has, and names of those that were asked for."""

    def __init__(self, folder):
        self.folder, self.sent = folder, []

    def add(self, file, name=None):
        """Have a file, by its own name or another."""
        name = name or file.name
        folder = self.folder / "simple" / name.split("-")[0]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / name)
        # As on PyPI, files for other versions of Python are listed too
        (folder / "index.html").write_text(f'<a href="{name}" data-requires-python="&lt;3">{name}</a>')


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index that pip is set to use, and no other."""
    index = Index(tmp_path / "index")

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, *_):
            if not self.path.endswith("/"):
                index.sent.append(self.path.rsplit("/", 1)[1])

        def log_message(self, *_):
            pass

    index.folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(index.folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    for key in [key for key in os.environ if key.startswith("PIP_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_address[1]}/simple/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield index
    server.shutdown()
    thread.join()
    server.server_close()
