"""The word about a program that keeps its output back, as it comes and goes while a page is looked at."""

import json

from playwright.sync_api import expect

from tests.browser.test_journeys import launch_batch
from tests.browser.walking import wrong_at


def test_the_word_about_silence_comes_and_goes_with_what_the_portal_says(page):
    told = []

    def between(socket):
        portal = socket.connect_to_server()

        def passed(text):
            message = json.loads(text)
            # The portal says it after a minute only.
            if (message["t"], message.get("w")) == ("state", "log"):
                told.append((socket, message))
                text = json.dumps(message | {"silent": True})
            socket.send(text)

        portal.on_message(passed)

    page.route_web_socket("**/ws/", between)
    launch_batch(page, "quiet", "sleep", "60")
    word = page.locator("[data-log-silent]")
    expect(word).to_be_visible()
    expect(word).to_contain_text("Nothing is lost")
    expect(page.locator("[data-log-status]")).to_have_text("Nothing written yet.")
    assert wrong_at(page, "silent") == {}
    page.set_viewport_size({"width": 1440, "height": 900})
    socket, message = told[-1]
    socket.send(json.dumps(message))
    expect(word).to_be_hidden()
