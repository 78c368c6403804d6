"""What every command does first: read the settings, and log as they say."""

from __future__ import annotations

from collections.abc import Mapping

from gridpulse.settings import Settings, load_settings


def settings_for(overrides: Mapping[str, object]) -> Settings:
    """:raises SettingsError: before anything heavy is imported."""
    settings = load_settings(overrides)
    from gridpulse.logs import configure_logging

    configure_logging(settings)
    return settings
