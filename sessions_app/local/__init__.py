"""The local platform: a Skaha for one machine, whose sessions are real processes. Not for production.

    gateway ─▶ app (with request, rules, wire) ─▶ engine ─▶ life ─▶ place, pull, process ─▶ shim ─▶ the command
        └────▶ a session's own server                  └▶ store, events, capacity, logs, limits, watch, reaper, usage

Started by `python -m sessions_app.local`; `serve` puts the parts together. To add an image, write its recipe in
`catalogue` and its lock in `images/`, made by
`uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-annotate`.
"""
