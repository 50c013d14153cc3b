"""The door for WSGI servers: `gunicorn … wsgi:app`."""

from inbox import config, logs
from web import create_app

logs.configure(config.settings_or_exit().log_level)
app = create_app()
