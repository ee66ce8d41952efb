"""The local platform: a Skaha for one machine, whose sessions are real processes. Not for production.

    gateway ─▶ app (with request, rules, wire) ─▶ engine ─▶ life ─▶ place, pull, process ─▶ shim ─▶ the command
        └────▶ a session's own server   │              └▶ store, events, usage
                                        └▶ account ─▶ signin ─▶ people, passwords

Started with `--faults`, `spoiler` stands before `app` and applies the rules of `faults`. `openapi` describes it all
with the `shapes` of its answers, and must follow what changes in them: generated tests compare the two.

Started by `python -m sessions_app.local`; `serve` puts the parts together. To add an image, write its recipe in
`catalogue` and its lock in `images/`, made by
`uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-annotate`.
"""
