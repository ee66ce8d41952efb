"""Django's settings. Every value that a site may change is read from the environment (see README)."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from canfarweb import env, folder, keys

BASE_DIR = Path(__file__).resolve().parent.parent
PRODUCTION = env.flag("CANFARWEB_PRODUCTION")
DEBUG = env.flag("CANFARWEB_DEBUG")
if PRODUCTION and DEBUG:
    raise ImproperlyConfigured("CANFARWEB_DEBUG must be off in production.")

DATA_DIR = folder.judged(Path(env.text("CANFARWEB_DATA") or BASE_DIR / "var"))
KEYS = keys.from_environment() if PRODUCTION else keys.from_file(DATA_DIR / folder.KEYS)
SECRET_KEY = KEYS.secret_key

# The platform: empty means the local one, which `manage.py up` starts.
PLATFORM_PORT = int(env.number("CANFARWEB_PLATFORM_PORT", 8001, low=1, high=65535))
PLATFORM_IS_LOCAL = not env.text("CANFARWEB_PLATFORM")
if PRODUCTION and not env.http_url("CANFARWEB_PLATFORM").startswith("https:"):
    raise ImproperlyConfigured("CANFARWEB_PLATFORM must name a platform by https in production.")
PLATFORM_URL = env.http_url("CANFARWEB_PLATFORM") or f"http://localhost:{PLATFORM_PORT}/skaha/v1"
# Which platform a person or a record belongs to. The local one is itself wherever its port is.
PLATFORM_KEY = "local:" if PLATFORM_IS_LOCAL else PLATFORM_URL
PLATFORM_NAME = env.text("CANFARWEB_PLATFORM_NAME") or (
    "Local platform" if PLATFORM_IS_LOCAL else urlsplit(PLATFORM_URL).hostname or PLATFORM_URL
)
# Whose word is taken for the platform's certificate, and the proxy that leads to it; the local one needs neither.
PLATFORM_WAY = {} if PLATFORM_IS_LOCAL else env.way("CANFARWEB_CA_FILE", "CANFARWEB_PROXY")
# Where a password is exchanged for a token; without it people paste a token.
PLATFORM_LOGIN = f"http://localhost:{PLATFORM_PORT}/ac/login" if PLATFORM_IS_LOCAL else ""
# Where a connect link may lead; beside these, any host below the platform's own parent domain.
SESSION_HOSTS = env.words("CANFARWEB_SESSION_HOSTS")
# How old a shared answer may be, in seconds, while nothing is in transition. On loopback a read costs next to
# nothing; on a real platform each one asks several services (skaha-contract.md, chapter 12).
QUIET_FRESHNESS = env.number("CANFARWEB_QUIET_FRESHNESS", 1.8 if PLATFORM_IS_LOCAL else 10, low=1, high=300)
# How long the destroying of one session can be taken back, in seconds.
UNDO_SECONDS = env.number("CANFARWEB_UNDO_SECONDS", 5, low=0, high=60)

ALLOWED_HOSTS = env.hosts("CANFARWEB_HOSTS")
if PRODUCTION and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("CANFARWEB_HOSTS must name the portal's host names in production.")
# Never empty and never `.localhost`: the local platform's sessions live below that name.
ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost"]
PORTAL_HOST = ALLOWED_HOSTS[0]
# Full origins that may open a socket; empty: the page's own host, with its scheme and port.
PORTAL_ORIGINS = env.origins("CANFARWEB_ORIGINS", schemes={"https"} if PRODUCTION else {"http", "https"})
# How many sockets one person may have open: each tab has one.
SOCKETS_PER_PERSON = int(env.number("CANFARWEB_SOCKETS_PER_PERSON", 20, low=1, high=100_000))

# How many tries to sign in one address may make a minute; many people may share one.
SIGNINS_PER_ADDRESS = int(env.number("CANFARWEB_SIGNINS_PER_ADDRESS", 20, low=1, high=100_000))
# How many requests one browser may make a second for long, and eight times as many at once; one person twice that.
REQUESTS_PER_SECOND = int(env.number("CANFARWEB_REQUESTS_PER_SECOND", 10, low=1, high=100_000))
# The same for all from one address who are not signed in.
REQUESTS_PER_ADDRESS = int(env.number("CANFARWEB_REQUESTS_PER_ADDRESS", 50, low=1, high=100_000))
# How many requests of one person, or of such an address, are worked on at once; further ones wait, and others go first.
REQUESTS_AT_ONCE = int(env.number("CANFARWEB_REQUESTS_AT_ONCE", 3, low=1, high=10_000))

INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "servestatic",
    "sessions_app",
]

MIDDLEWARE = [
    "sessions_app.middleware.secure_responses",
    "servestatic.middleware.ServeStaticMiddleware",
    "sessions_app.heads.answer_head",
    "sessions_app.middleware.answer_for_nobody",
    "sessions_app.middleware.name_the_portal",
    "sessions_app.middleware.compress_pages",
    "sessions_app.middleware.load_session",
    # Before the forms are looked at: of one that is too old it matters who sends it.
    "sessions_app.middleware.know_the_person",
    "sessions_app.middleware.check_forgery",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "canfarweb.urls"
ASGI_APPLICATION = "canfarweb.asgi.application"
AUTH_USER_MODEL = "sessions_app.Person"
LOGIN_URL = "signin:start"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.csrf",
                "django.template.context_processors.request",
                "sessions_app.context.frame",
            ],
            "builtins": ["django.templatetags.static", "sessions_app.templatetags.portal"],
        },
    },
]

# Write-ahead log, and the write lock taken at BEGIN: see `local-platform.md`, section 5, for the measured difference.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / folder.DATABASE,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=67108864;"
                "PRAGMA mmap_size=134217728; PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY;"
            ),
        },
        "TEST": {"NAME": DATA_DIR / "test.sqlite3"},
    }
}
CHANNEL_LAYERS = {"default": {"BACKEND": "sessions_app.live.layers.SparingLayer"}}

# Cookies. `__Host-` names need https, which a browser grants to localhost only in part, so they are for production.
SECURE = PRODUCTION
# A cookie goes to every port of a host: each portal keeps its sign-ins under a name of its own.
SESSION_COOKIE_NAME = (
    f"{'__Host-' if SECURE else ''}canfarweb-{KEYS.mark('' if PRODUCTION else str(DATA_DIR))}"
)
SESSION_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_ENGINE = "sessions_app.signin.browsers"
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(env.number("CANFARWEB_SESSION_SECONDS", 7 * 86400, low=300, high=90 * 86400))
CSRF_USE_SESSIONS = True
CSRF_FAILURE_VIEW = "sessions_app.views.errors.forgery"
BEHIND_PROXY = env.flag("CANFARWEB_BEHIND_TLS_PROXY")
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Ours alone: what other packages bring along is not asked for by any page.
STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "sessions_app.assets.BundledStorage"
    },
}
SERVESTATIC_KEEP_ONLY_HASHED_FILES = False
SERVESTATIC_ALLOW_ALL_ORIGINS = False

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# A larger body waits on the disk, so that a hundred at once cost no memory.
FILE_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 3000
# What Django's own steps do, which these look for by name, `secure_responses` and `check_forgery` do without a thread.
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002", "security.W003"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "sessions_app.log_lines.Line",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "sessions_app": {"level": env.text("CANFARWEB_LOG_LEVEL", "INFO").upper(), "propagate": True},
        # A missing page is the visitor's affair; the 500s that matter are logged by `django.request` as errors.
        "django.request": {"level": "ERROR"},
        # httpx writes whole addresses with their query, where a launch's environment travels.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
    },
}

# Last: a start that was refused above may look at its settings once more.
env.forget([keys.SECRET, keys.CREDENTIALS, keys.LOOKUP, "CANFARWEB_PROXY"])
