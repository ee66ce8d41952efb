"""Forms keep what people type: over Back, over a slow portal, and over a new sign-in."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

SLOW = {"offline": False, "latency": 600, "downloadThroughput": -1, "uploadThroughput": -1}


def choose(page: Page, kind: str) -> None:
    page.locator(".kind", has_text=kind).click()


def drawn_for(page: Page, kind: str) -> None:
    expect(page.locator("#launch")).to_have_attribute("data-drawn", kind)


def name_of(page: Page):
    return page.get_by_label("Name", exact=True)


def command_of(page: Page):
    return page.get_by_label("Command", exact=True)


def test_back_shows_the_fields_of_the_chosen_kind_with_all_that_was_typed(page):
    page.goto("/launch")
    choose(page, "Batch")
    drawn_for(page, "headless")
    name_of(page).fill("went-away")
    command_of(page).fill("echo it was kept")
    # At once, before anything can be asked for.
    page.get_by_role("link", name="Sessions", exact=True).click()
    page.get_by_role("heading", name="Sessions", exact=True).wait_for()
    page.go_back()
    drawn_for(page, "headless")
    expect(command_of(page)).to_have_value("echo it was kept")
    expect(name_of(page)).to_have_value("went-away")
    images = page.locator('[name="image"]')
    assert images.evaluate_all("all => all.map(each => each.value.includes('terminal'))").count(True) == 1
    expect(page.locator("#summary")).to_contain_text("echo it was kept")
    first_key = page.locator('[name="key"]').input_value()
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url("**/s/*")
    expect(page.get_by_role("log")).to_contain_text("it was kept", timeout=20_000)
    # Back again: the form is a new one, and says that there is such a session.
    page.go_back()
    drawn_for(page, "headless")
    expect(command_of(page)).to_have_value("echo it was kept")
    expect(page.locator("#says-name")).to_contain_text("You have a session “went-away” already")
    assert page.locator('[name="key"]').input_value() != first_key


def test_many_are_asked_about_and_back_selects_none_and_filters_nothing_by_what_was_typed_before(
    page, portal
):
    headers = {"Authorization": f"Bearer {portal.exports['CANFAR_TOKEN']}"}
    asked = {
        "type": "headless",
        "image": "images.canfar.net/skaha/terminal:latest",
        "cmd": "sleep",
        "args": "300",
    }
    with httpx.Client(headers=headers, timeout=60, trust_env=False) as platform:
        for name in ("first", "second"):
            params = {**asked, "name": name}
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            platform.post(
                f"{portal.exports['CANFAR_URL']}/session", params=params, headers=form
            ).raise_for_status()
    page.goto("/")
    page.locator("[data-row]", has_text="second").get_by_role("checkbox").check()
    # More than fit an address are asked about all the same.
    page.locator("#selection").evaluate(
        """form => {
          for (let n = 0; n < 500; n += 1) {
            const field = { type: "hidden", name: "s", value: `none${n}-${n}` };
            form.append(Object.assign(document.createElement("input"), field));
          }
        }"""
    )
    with page.expect_request("**/destroy") as asked_for:
        page.locator("[data-selection]").get_by_role("button", name="Destroy").click()
    assert asked_for.value.method == "POST"
    expect(page.get_by_role("dialog")).to_contain_text("second")
    page.get_by_role("dialog").get_by_text("Keep", exact=True).click()
    # Gone before the list is asked for.
    page.get_by_label("Search by name").evaluate(
        """field => {
          field.value = "fir";
          field.dispatchEvent(new Event("input", { bubbles: true }));
          document.querySelector('a[href="/launch"]').click();
        }"""
    )
    page.get_by_role("heading", name="Launch", exact=True).wait_for()
    page.go_back()
    page.locator("[data-row]", has_text="second").wait_for()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    expect(page.get_by_label("Search by name")).to_have_value("")


def test_a_kind_that_the_browser_filled_in_again_gets_its_fields(page):
    # The address of a launch once more does not follow the form, so the browser alone knows what was chosen.
    page.goto("/launch?kind=notebook&again=")
    choose(page, "Batch")
    drawn_for(page, "headless")
    command_of(page).fill("echo kept")
    page.get_by_text("A script instead").click()
    page.get_by_label("Environment").fill("A=1")
    page.get_by_role("link", name="Sessions", exact=True).click()
    page.get_by_role("heading", name="Sessions", exact=True).wait_for()
    page.go_back()
    drawn_for(page, "headless")
    expect(command_of(page)).to_have_value("echo kept")
    expect(page.get_by_label("Environment")).to_have_value("A=1")
    expect(page.locator('[name="image"]:checked')).to_have_value(re.compile("terminal|base-notebook"))


def test_what_is_typed_while_the_portal_answers_slowly_stays(open_context, page):
    page.close()
    context = open_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    tab.goto("/launch")
    drawn_for(tab, "notebook")
    wire = context.new_cdp_session(tab)
    wire.send("Network.enable")
    wire.send("Network.emulateNetworkConditions", SLOW)
    for kind, key in (("Desktop", "desktop"), ("Batch", "headless"), ("Contributed", "contributed")):
        choose(tab, kind)
        name_of(tab).fill("")
        name_of(tab).press_sequentially(f"my-typed-{key}", delay=60)
        drawn_for(tab, key)
        expect(name_of(tab)).to_have_value(f"my-typed-{key}")
        expect(name_of(tab)).to_be_focused()
    tab.get_by_text("Another image").click()
    image = tab.get_by_label("Image", exact=True)
    choose(tab, "Batch")
    image.press_sequentially("skaha/term:1", delay=40)
    # In the middle of what is there already.
    for _ in range(2):
        image.press("ArrowLeft")
    choose(tab, "Notebook")
    image.focus()
    image.evaluate("field => field.setSelectionRange(10, 10)")
    image.press_sequentially("inal", delay=150)
    drawn_for(tab, "notebook")
    expect(image).to_have_value("skaha/terminal:1")
    assert image.evaluate("field => field.selectionStart") == 14
    # The last of several choices is drawn, and an input method goes on where it was.
    for kind in ("Desktop", "Notebook", "Batch"):
        choose(tab, kind)
    name_of(tab).fill("")
    name_of(tab).focus()
    for text in ("f", "fi", "fit"):
        wire.send(
            "Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
        )
        tab.wait_for_timeout(350)
    drawn_for(tab, "headless")
    wire.send("Input.insertText", {"text": "fit-9"})
    expect(name_of(tab)).to_have_value("fit-9")
    expect(tab.locator("#summary dd").filter(has_text="fit-9")).to_be_visible()


def test_a_box_that_is_ticked_while_the_form_is_checked_stays_so(open_context, page):
    page.close()
    context = open_context(viewport={"width": 1440, "height": 900})
    tab = context.new_page()
    tab.goto("/launch?type=headless&image=images.canfar.net/skaha/no-such:1")
    box = tab.get_by_role("checkbox", name=re.compile("Launch it anyway"))
    box.wait_for()
    wire = context.new_cdp_session(tab)
    wire.send("Network.enable")
    wire.send("Network.emulateNetworkConditions", SLOW)
    with tab.expect_response("**/launch/check"):
        with tab.expect_request("**/launch/check"):
            name_of(tab).press_sequentially("x")
        box.check()
    expect(tab.locator("#launch-bar [data-launch]")).not_to_have_attribute("aria-disabled", "true")
    expect(box).to_be_checked()


def sign_in(tab: Page, portal) -> None:
    tab.get_by_text("With a token instead").click()
    # The whole line, as the terminal shows it.
    tab.get_by_label("Bearer token").fill(f"export CANFAR_TOKEN={portal.exports['CANFAR_TOKEN']}")
    tab.get_by_role("button", name="Sign in with the token").click()


def sign_in_anew(context, portal) -> None:
    """Sign in once more in another tab of the same browser, which ends the sign-in that there was."""
    other = context.new_page()
    other.goto("/signin")
    sign_in(other, portal)
    other.get_by_role("heading", name="Sessions", exact=True).wait_for()
    other.close()


@pytest.mark.portal_breaks
def test_a_page_that_is_older_than_the_sign_in_goes_on_with_all_that_was_typed(open_context, page, portal):
    page.close()
    # A sign-in of its own, as it ends; by a link, as only a few a minute may be made with one token.
    context = open_context(viewport={"width": 1440, "height": 900}, storage_state=None)
    tab = context.new_page()
    tab.goto(portal.another_welcome())
    tab.get_by_role("button", name="Sign in as").click()
    tab.get_by_role("heading", name="Sessions", exact=True).wait_for()
    tab.goto("/launch?type=headless")
    name_of(tab).fill("older")
    command_of(tab).fill("sleep 300")
    sign_in_anew(context, portal)
    # What is checked as one types goes on by itself, and so does another kind.
    name_of(tab).fill("older-page")
    expect(tab.locator("#summary dd").filter(has_text="older-page")).to_be_visible()
    expect(tab.locator("#lost")).to_be_hidden()
    choose(tab, "Notebook")
    drawn_for(tab, "notebook")
    choose(tab, "Batch")
    drawn_for(tab, "headless")
    expect(command_of(tab)).to_have_value("sleep 300")
    # A whole form asks, and one press goes on.
    sign_in_anew(context, portal)
    tab.get_by_role("button", name="Launch", exact=True).click()
    tab.get_by_role("heading", name="Go on where you were").wait_for()
    expect(tab.get_by_role("button", name="Launch", exact=True)).to_be_focused()
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/s/*")
    expect(tab.locator("h1")).to_contain_text("older-page")
    # Whoever is signed out is not led away while they type, signs in, and goes on.
    tab.goto("/launch?type=headless")
    context.clear_cookies()
    name_of(tab).fill("signed-out")
    expect(tab.locator("#lost")).to_contain_text("You are signed out, and nothing that you typed is lost.")
    command_of(tab).fill("sleep 300")
    tab.get_by_role("button", name="Launch", exact=True).click()
    expect(tab.get_by_text("Nothing was done yet, and nothing that you typed is lost.")).to_be_visible()
    sign_in(tab, portal)
    tab.get_by_role("heading", name="Go on where you were").wait_for()
    tab.get_by_role("button", name="Launch", exact=True).click()
    tab.wait_for_url("**/s/*")
    expect(tab.locator("h1")).to_contain_text("signed-out")
    # A dialog, and the way out.
    tab.goto("/")
    row = tab.locator("[data-row]", has_text="older-page")
    row.locator("input[type=checkbox]").check()
    tab.get_by_role("button", name=re.compile("Destroy")).first.click()
    tab.get_by_role("heading", name="Destroy this session?").wait_for()
    sign_in_anew(context, portal)
    tab.locator("#dialog").get_by_role("button", name="Destroy", exact=True).click()
    expect(tab.locator("#notices")).to_contain_text("older-page")
    expect(row).to_have_count(0)
