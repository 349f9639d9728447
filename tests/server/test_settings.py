"""Settings come from the environment, or not at all."""

from __future__ import annotations

import pytest

from server.sandboxes import engine_settings
from server.settings import Settings, SettingsError


def test_the_sandbox_is_sized_by_settings() -> None:
    usual = Settings.from_environment({})
    assert (usual.sandbox_runs, usual.sandbox_warm) == (None, None)
    given = {"VIVA_SANDBOX_RUNS": "2", "VIVA_SANDBOX_WARM": "6"}
    settings = Settings.from_environment(given)
    assert (settings.sandbox_runs, settings.sandbox_warm) == (2, 6)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1001"])
def test_a_number_of_containers_that_cannot_be_is_told(value: str) -> None:
    with pytest.raises(SettingsError, match=r"VIVA_SANDBOX_WARM is .* from 1 to 1000"):
        Settings.from_environment({"VIVA_SANDBOX_WARM": value})


def test_the_engines_own_runtime_is_used_unless_another_is_set() -> None:
    assert engine_settings(Settings.from_environment({})).runtime is None
    settings = Settings.from_environment({"VIVA_SANDBOX_RUNTIME": "runsc"})
    assert engine_settings(settings).runtime == "runsc"


@pytest.mark.parametrize("value", ["*", "proxy.example.org", "10.0.0.1/8", "10.0.0.1,all"])
def test_a_proxy_that_is_no_address_is_told(value: str) -> None:
    """A name, or everybody, would let anyone say where they call from."""
    with pytest.raises(SettingsError, match="VIVA_PROXIES holds"):
        Settings.from_environment({"VIVA_PROXIES": value})
    good = "10.0.0.2, 192.168.7.0/24"
    assert Settings.from_environment({"VIVA_PROXIES": good}).proxies == good
    assert Settings.from_environment({}).proxies == ""
