"""Headless Chromium, driven by selenium, for tests of the error report."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def start_browser() -> Any:
    """A browser that keeps its console and its requests; the test is skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    driver = shutil.which("chromedriver")
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not driver or not binary:
        pytest.skip("no chromium with its chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("headless=new", "disable-dev-shm-usage", "hide-scrollbars", "force-color-profile=srgb"):
        options.add_argument(f"--{flag}")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


class Tab:
    """One page in a browser, by what a person does to it."""

    def __init__(self, browser: Any, file: Path) -> None:
        self.browser, self.file = browser, file
        self.screen(1280, 900)
        self.open()

    def open(self, hash_: str = "") -> None:
        """Load the page anew, with that hash."""
        self.browser.get("about:blank")
        self.browser.get_log("performance")
        self.browser.get(self.file.as_uri() + hash_)

    def screen(self, width: int, height: int, *, scheme: str = "light", mobile: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})

    def do(self, script: str, *arguments: Any) -> Any:
        """What a script returns that runs in the page."""
        return self.browser.execute_script(script, *arguments)

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        return self.do("return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)", selector)

    def press(self, *keys: str) -> None:
        """Keys, sent to whatever has the focus."""
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def choose(self, name: str, value: str) -> None:
        from selenium.webdriver.support.select import Select

        Select(self.one(f"#{name}")).select_by_value(value)

    @property
    def count(self) -> str:
        return self.one("#count").text

    @property
    def hash(self) -> str:
        return self.do("return decodeURIComponent(location.hash)")

    @property
    def focused(self) -> str:
        """Text of the element that has the focus."""
        return self.do("return document.activeElement.textContent")

    def complaints(self) -> list[str]:
        """What the console says: errors, warnings, violations of the policy."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def requests(self) -> list[str]:
        """What was asked for beside the page itself and pictures that are in it."""
        return list(_requests(self.browser.get_log("performance")))


def _requests(log: list[dict[str, str]]) -> Iterator[str]:
    for entry in log:
        message = json.loads(entry["message"])["message"]
        if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
            parameters = message["params"]
            url = parameters.get("request", parameters).get("url", "")
            if parameters.get("type") != "Document" and not url.startswith("data:"):
                yield url
