"""The local platform: a Skaha for one machine, whose sessions are real processes. Not for production.

    gateway ─▶ app (with request, rules, wire) ─▶ engine ─▶ life ─▶ place, pull, process ─▶ shim ─▶ the command
        └────▶ a session's own server   │              └▶ store, events, usage, capacity,
                                        │                 logs, limits, watch, reaper
                                        └▶ account ─▶ signin ─▶ people, passwords

Started with `--faults`, `spoiler` stands before `app` and applies the rules of `faults`. `openapi` describes it all
with the `shapes` of its answers, and must follow what changes in them: generated tests compare the two.

Started by `python -m sessions_app.local`; `serve` puts the parts together. To add an image, write its recipe in
`catalogue` and its lock, `images/RECIPE.lock`, made by
`uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-annotate`. One that also has
packages from npm has a folder `images/RECIPE` with a `package.json` and the lock that
`npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts` makes of it (without the entries
`funding`, which name hosts). What a recipe runs that is ours is in `programs`, and goes into the image with it.
"""
