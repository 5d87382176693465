"""A small site as a project would have it, on the file $SITE_DB. Every connection loads colony.so."""

import os

from django.db.backends.signals import connection_created

SECRET_KEY = "for tests only"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                  "django.contrib.sessions", "django.contrib.messages", "library"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware",
              "django.contrib.auth.middleware.AuthenticationMiddleware",
              "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
              "OPTIONS": {"context_processors": ["django.template.context_processors.request",
                                                 "django.contrib.auth.context_processors.auth",
                                                 "django.contrib.messages.context_processors.messages"]}}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "immediate", "NAME": os.environ["SITE_DB"],
                         "OPTIONS": {"timeout": 20}}}


def load_colony(connection, **_):
    connection.connection.enable_load_extension(True)
    connection.connection.load_extension(os.environ["COLONY_EXTENSION"])
    connection.connection.enable_load_extension(False)


connection_created.connect(load_colony)
