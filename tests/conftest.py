"""What holds for every test: how properties are tried out."""

from hypothesis import HealthCheck, settings

# The same examples every time, so that a change fails on what it broke itself and not on what an earlier one did; and
# no example has to be quick, because machines that run tests may stop for a while. To look for more, run
# `pytest --hypothesis-profile=default`.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
