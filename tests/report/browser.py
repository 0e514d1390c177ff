"""A browser for tests, driven through ChromeDriver by the few words of the WebDriver protocol that they need."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 600  # seconds, for machines that do much else
DRIVERS, BROWSERS = ("chromedriver",), ("chromium", "chromium-browser", "google-chrome")


def missing() -> str:
    """What is not installed, and so cannot be tried; "" if nothing."""
    lacking = [names[0] for names in (BROWSERS, DRIVERS) if not any(map(shutil.which, names))]
    return " and ".join(lacking)


class Browser:
    """One window."""

    def __init__(self, address: str) -> None:
        self.address = address
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        binary = next(filter(None, map(shutil.which, BROWSERS)))
        options = {"args": arguments, "binary": binary}
        capabilities = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self.session = f"/session/{self.call('POST', '/session', capabilities)['sessionId']}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def open(self, page: Path | str) -> None:
        self.call("POST", f"{self.session}/url", {"url": page if isinstance(page, str) else page.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns, in the page."""
        return self.call("POST", f"{self.session}/execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self.call("POST", f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def look(self, *, width: int, dark: bool = False, height: int = 900, media: str = "screen") -> None:
        """As a screen of this width, or paper."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def press(self, *keys: str) -> None:
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", f"{self.session}/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def picture(self, *, whole: bool = False) -> bytes:
        return base64.b64decode(self.devtools("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(self.devtools("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser without an earlier state, and its driver; both end with it."""
    with tempfile.TemporaryFile() as log:
        program = str(next(filter(None, map(shutil.which, DRIVERS))))
        driver = subprocess.Popen([program, "--port=0"], stdout=subprocess.PIPE, stderr=log)
        try:
            address = f"http://127.0.0.1:{_port(driver)}"
            made = Browser(address)
            try:
                yield made
            finally:
                made.call("DELETE", made.session)
        finally:
            driver.terminate()
            driver.wait()
            if driver.stdout:
                driver.stdout.close()


def _port(driver: subprocess.Popen[bytes]) -> int:
    """That the driver chose, as it says once it listens."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and driver.stdout and (line := driver.stdout.readline()):
        if b"started successfully on port" in line:
            return int(line.split(b"port")[1].strip(b" .\n"))
    raise AssertionError("the driver did not start")
