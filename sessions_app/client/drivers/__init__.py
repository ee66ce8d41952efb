"""Run operations over HTTP: one driver awaits, one blocks. Nothing outside this package imports httpx or a transport.

Both speak to an httpx *transport*, below httpx's own client. So there is no cookie jar to leak, no redirect to
follow, no proxy from the environment, no body inflated without bound and no log line with a whole address: all of
these live in the client that is left out. How many requests are under way is bounded here, not in a connection pool;
httpx's own pool loses places when calls are cancelled (encode/httpcore#1093).
"""
