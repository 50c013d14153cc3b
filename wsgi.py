"""The door for WSGI servers: `gunicorn … wsgi:app`."""

from inbox import collector, logs
from inbox.config import settings_or_exit
from web import create_app

logs.configure(settings_or_exit().log_level)
app = create_app()
collector.settle()
